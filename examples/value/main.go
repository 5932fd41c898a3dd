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
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

type counting struct {
	Counter *mp.Value[int]
	Times   int
}

var countings = mp.RegisterType[counting]("counting")

func (c *counting) Run(ctx context.Context) error {
	for range c.Times {
		if _, err := mp.Add(c.Counter, 1); err != nil {
			return err
		}
	}
	return nil
}

// An account is any struct of numbers.
type account struct{ Ann, Bob int }

func (a account) String() string { return fmt.Sprintf("ann has %d, bob has %d", a.Ann, a.Bob) }

// A transfer gives 10 of ann's money to bob.
type transfer struct {
	Account *mp.Value[account]
	Halfway *mp.Event // nil, or: set it in the middle, and stay there
}

var transfers = mp.RegisterType[transfer]("transfer")

func (t *transfer) Run(ctx context.Context) error {
	return t.Account.Update(ctx, func(a *account) {
		a.Ann -= 10
		if t.Halfway != nil {
			_ = t.Halfway.Set()
			time.Sleep(1000 * time.Hour)
		}
		a.Bob += 10
	})
}

func main() {
	mp.Init()
	n := program.Count("processes", 1, 4, "how many `processes` count")
	times := program.Count("times", 1, 10000, "how far each of them counts")
	program.Main(func(ctx context.Context) error {
		if err := count(ctx, *n, *times); err != nil {
			return err
		}
		return pay(ctx)
	})
}

func count(ctx context.Context, n, times int) error {
	counter, err := mp.NewValue(0)
	if err != nil {
		return err
	}
	var all []*mp.Process
	for range n {
		p, err := countings.Start(ctx, counting{counter, times})
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	fmt.Println(n, "processes counted to", counter.Load())
	return nil
}

func pay(ctx context.Context) error {
	money, err1 := mp.NewValue(account{50, 50})
	halfway, err2 := mp.NewEvent()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	fmt.Println(money)
	p, err := transfers.Start(ctx, transfer{money, halfway})
	if err != nil {
		return err
	}
	if err := errors.Join(halfway.Wait(ctx), p.Kill()); err != nil {
		return err
	}
	fmt.Println("killed in the middle of a transfer:", money)
	if _, err := transfers.Run(ctx, transfer{money, nil}); err != nil {
		return err
	}
	fmt.Println("another transfer:", money)
	return nil
}
