// Command small plays mp and what Go itself has: it links nothing but what those
// need, and the bench, which builds it when it runs, links all peers. How large a
// program is makes a difference: a large one takes longer to start, and to end when
// it is killed.
//
//	small exit               ends at once
//	small hello              says a line and ends
//	small side NAME JOB      measures
//	small second NAME JOB    is the other process of a side
package main

import (
	"fmt"
	"os"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/ours"
	"github.com/mpgo/mp/bench/internal/plain"
	"github.com/mpgo/mp/bench/internal/side"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "exit" {
		return
	}
	mp.Init()
	if len(os.Args) == 2 && os.Args[1] == plain.Hello {
		fmt.Println("hello")
		return
	}
	sides := plain.Sides()
	sides[ours.Name] = ours.Works()
	code, played := side.Play(os.Args[1:], sides, plain.Seconds())
	if !played {
		fmt.Fprintln(os.Stderr, "this program is a part of the bench")
		code = 2
	}
	os.Exit(code)
}
