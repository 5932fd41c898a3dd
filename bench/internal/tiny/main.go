// Command tiny is the program whose start is measured: one that uses mp and little
// else. The bench builds it when it runs.
//
//	tiny exit             ends at once
//	tiny hello            says a line and ends
//	tiny side NAME JOB    measures starts
package main

import (
	"fmt"
	"os"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/side"
)

const (
	exit  = "exit"
	hello = "hello"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == exit {
		return
	}
	mp.Init()
	if len(os.Args) == 2 && os.Args[1] == hello {
		fmt.Println(hello)
		return
	}
	code, played := side.Play(os.Args[1:], map[string]side.Works{
		"mp":      {side.Start: startChild},
		"os/exec": {side.Start: startHello},
	}, nil)
	if !played {
		fmt.Fprintln(os.Stderr, "this program is a part of the bench")
		code = 2
	}
	os.Exit(code)
}
