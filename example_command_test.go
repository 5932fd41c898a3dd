package mp_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/mpgo/mp"
)

var mumble = mp.Register("example.mumble", func(context.Context, struct{}) (struct{}, error) {
	fmt.Println("is anybody there?")
	return struct{}{}, nil
})

// The command that starts a process is an *exec.Cmd. Here what the process writes
// goes to this program's memory; other fields set its user, its namespaces, its
// control group.
func ExampleWithCommand() {
	var out strings.Builder
	_, err := mumble.Run(context.Background(), struct{}{},
		mp.WithCommand(func(cmd *exec.Cmd) { cmd.Stdout = &out }))
	fmt.Printf("%q %v\n", out.String(), err)
	// Output: "is anybody there?\n" <nil>
}
