// Command barrier lets hikers and their guide go from hut to hut: nobody goes on before
// all are there. At the last hut one hiker is killed, and the others know at once that
// there is nobody left to wait for.
//
// Python: Barrier, where the others wait for ever when a party is killed.
//
//	$ go run ./examples/barrier
//	hiker 1 is at hut 1
//	hiker 2 is at hut 1
//	hiker 3 is at hut 1
//	all are at hut 1
//	hiker 2 is at hut 2
//	hiker 1 is at hut 2
//	hiker 3 is at hut 2
//	all are at hut 2
//	hiker 2 is at hut 3
//	hiker 3 is at hut 3
//	hiker 1 is at hut 3
//	hiker 1 is killed
//	hiker 2 goes home: somebody is missing
//	hiker 3 goes home: somebody is missing
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

type hiker struct {
	Number int
	Hut    *mp.Barrier
}

var hikers = mp.RegisterType[hiker]("hiker")

func (h *hiker) Run(ctx context.Context) error {
	for hut := 1; ; hut++ {
		fmt.Printf("hiker %d is at hut %d\n", h.Number, hut)
		_, err := h.Hut.Wait(ctx)
		if errors.Is(err, mp.ErrBrokenBarrier) {
			fmt.Printf("hiker %d goes home: somebody is missing\n", h.Number)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	mp.Init()
	n := program.Count("hikers", 1, 3, "how many `processes` go")
	huts := program.Count("huts", 1, 3, "how many huts they come to")
	program.Main(func(ctx context.Context) error { return run(ctx, *n, *huts) })
}

func run(ctx context.Context, n, huts int) error {
	hut, err := mp.NewBarrier(n + 1) // the guide is this process
	if err != nil {
		return err
	}
	var all []*mp.Process
	for number := 1; number <= n; number++ {
		p, err := hikers.Start(ctx, hiker{number, hut})
		if err != nil {
			return err
		}
		all = append(all, p)
		go func() { // who dies between two huts cannot be missed there
			<-p.Done()
			_ = hut.Abort()
		}()
	}
	for number := 1; number < huts; number++ {
		if _, err := hut.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("all are at hut", number)
	}
	for hut.Waiting() < n { // for the guide
		if err := program.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	fmt.Println("hiker 1 is killed")
	if err := all[0].Kill(); err != nil {
		return err
	}
	return mp.WaitAll(ctx, all[1:]...)
}
