// Command ticket sells the tickets of one stock, a JSON file, to several processes:
// without a lock, where tickets are sold twice; with a Mutex; and with a Mutex whose
// owner is killed in the middle of a sale, when a ticket has left the stock and nobody
// has it yet. The next one that wants the lock repairs the stock first.
//
// Python: the well-known ticket sale with Lock, where a buyer that is killed keeps the
// lock for ever.
//
//	$ go run ./examples/ticket
//	without a lock: 10 tickets, 39 sold
//	with a Mutex: 10 tickets, 10 sold
//	a buyer was killed: its ticket is for sale again
//	with a Mutex and a kill: 10 tickets, 10 sold
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A sale is what a buyer has to know.
type sale struct {
	How    string
	File   string // has the number of tickets that are left
	Total  int
	Sold   *mp.Value[int]
	Lock   *mp.Mutex // nil for none
	Victim bool      // this buyer is killed in the middle of its first sale
}

var errSoldOut = errors.New("sold out")

// buyer buys until nothing is left.
var buyer = mp.RegisterTask("buyer", func(ctx context.Context, s sale) (err error) {
	for err == nil && ctx.Err() == nil {
		if s.Lock == nil {
			err = s.buy()
		} else {
			err = s.Lock.WithRepair(ctx, s.repair, s.buy)
		}
	}
	if err == errSoldOut {
		return nil
	}
	return err
})

func (s sale) buy() error {
	var left int
	if err := program.Load(s.File, &left); err != nil {
		return err
	}
	if left == 0 {
		return errSoldOut
	}
	time.Sleep(5 * time.Millisecond) // without a lock, others read the file now
	if err := program.Save(s.File, left-1); err != nil {
		return err
	}
	if s.Victim {
		program.Die()
	}
	_, err := mp.Add(s.Sold, 1)
	return err
}

func (s sale) repair() error {
	fmt.Println("a buyer was killed: its ticket is for sale again")
	return program.Save(s.File, s.Total-s.Sold.Load())
}

func main() {
	mp.Init()
	buyers := program.Count("buyers", 2, 4, "how many `processes` buy")
	tickets := program.Count("tickets", 1, 10, "how many tickets there are")
	program.Main(func(ctx context.Context) error { return run(ctx, *buyers, *tickets) })
}

func run(ctx context.Context, buyers, tickets int) error {
	pool, err1 := mp.NewPool(ctx, buyers)
	file, err2 := program.TempFile("stock.json")
	sold, err3 := mp.NewValue(0)
	lock, err4 := mp.NewMutex()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	for _, s := range []sale{
		{"without a lock", file, tickets, sold, nil, false},
		{"with a Mutex", file, tickets, sold, lock, false},
		{"with a Mutex and a kill", file, tickets, sold, lock, true},
	} {
		if err := errors.Join(program.Save(file, tickets), sold.Store(0)); err != nil {
			return err
		}
		if s.Victim {
			_, _ = buyer.Call(ctx, pool, s) // a *WorkerDiedError
			s.Victim = false
		}
		if _, err := buyer.Map(ctx, pool, slices.Repeat([]sale{s}, buyers), mp.WithChunk(1)); err != nil {
			return err
		}
		fmt.Printf("%s: %d tickets, %d sold\n", s.How, tickets, sold.Load())
	}
	return nil
}
