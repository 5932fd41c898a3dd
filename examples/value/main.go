// Command value has variables in shared memory: a counter, which several processes raise
// without a lock, and a struct, which is always whole, also when a process is killed in
// the middle of changing it.
//
// Python: Value, with get_lock, which stays locked and may be half-written after a kill.
//
//	$ go run ./examples/value
//	4 processes counted to 40000
//	ann has 50, bob has 50
//	killed in the middle of a transfer: ann has 50, bob has 50
//	another transfer: ann has 40, bob has 60
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

type counting struct {
	Counter *mp.Value[int]
	Times   int
}

var count = mp.RegisterTask("count", func(_ context.Context, c counting) error {
	for range c.Times {
		if _, err := mp.Add(c.Counter, 1); err != nil {
			return err
		}
	}
	return nil
})

// An account is any struct of numbers.
type account struct{ Ann, Bob int }

func (a account) String() string { return fmt.Sprintf("ann has %d, bob has %d", a.Ann, a.Bob) }

type transfer struct {
	Money  *mp.Value[account]
	Killed bool // in the middle
}

// give gives 10 of ann's money to bob.
var give = mp.RegisterTask("give", func(ctx context.Context, t transfer) error {
	return t.Money.Update(ctx, func(a *account) {
		a.Ann -= 10
		if t.Killed {
			program.Die()
		}
		a.Bob += 10
	})
})

func main() {
	mp.Init()
	n := program.Count("processes", 1, 4, "how many `processes` count")
	times := program.Count("times", 1, 10000, "how far each of them counts")
	program.Main(func(ctx context.Context) error { return run(ctx, *n, *times) })
}

func run(ctx context.Context, n, times int) error {
	counter, err1 := mp.NewValue(0)
	money, err2 := mp.NewValue(account{50, 50})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var all []*mp.Process
	for range n {
		p, err := count.Start(ctx, counting{counter, times})
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	if err := mp.WaitAll(ctx, all...); err != nil {
		return err
	}
	fmt.Println(n, "processes counted to", counter.Load())

	fmt.Println(money)
	_, err := give.Run(ctx, transfer{money, true})
	if ctx.Err() != nil {
		return err
	}
	fmt.Println("killed in the middle of a transfer:", money)
	if _, err := give.Run(ctx, transfer{money, false}); err != nil {
		return err
	}
	fmt.Println("another transfer:", money)
	return nil
}
