// Command small plays mp and what Go itself has. It links nothing but what those
// need, while the bench, which builds it when it runs, links all peers: a large
// program takes longer to end when it is killed, and has threads of its own.
//
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
	mp.Init()
	sides := plain.Sides()
	sides[ours.Name] = ours.Works()
	code, played := side.Play(os.Args[1:], sides, plain.Seconds())
	if !played {
		fmt.Fprintln(os.Stderr, "this program is a part of the bench")
		code = 2
	}
	os.Exit(code)
}
