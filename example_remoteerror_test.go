package mp_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mpgo/mp"
)

var sizeOf = mp.Register("example.sizeOf", func(_ context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(info.Size()), nil
})

// Errors arrive as text, and the well-known ones as what they are.
func ExampleRemoteError() {
	_, err := sizeOf.Run(context.Background(), "/nothing/here")
	var remote *mp.RemoteError
	if errors.As(err, &remote) {
		fmt.Println(remote.Func, remote.Type)
	}
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// example.sizeOf *fs.PathError
	// mp: "example.sizeOf": stat /nothing/here: no such file or directory
	// true
}
