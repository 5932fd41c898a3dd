// Command ticket sells the tickets of one stock, a JSON file, to several processes:
// without a lock, where tickets are sold twice; with a Mutex; and with a Mutex whose
// owner is killed in the middle of a sale, when a ticket has left the stock and nobody
// has it yet. The next one that wants the lock is told so, and repairs the stock.
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
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A sale is what a buyer has to know.
type sale struct {
	File  string
	Start *mp.Barrier // where the buyers wait for each other
	Lock  *mp.Mutex   // nil for none
}

var errSoldOut = errors.New("sold out")

// buyer buys until nothing is left, and returns how many tickets it got.
var buyer = mp.Register("buyer", func(ctx context.Context, s sale) (bought int, err error) {
	_, err = s.Start.Wait(ctx)
	for err == nil {
		err = s.locked(ctx, s.buy)
		if err == nil {
			bought++
		}
		if errors.Is(err, mp.ErrOwnerDied) {
			err = s.Lock.Recover(ctx, s.repair)
		}
		if errors.Is(err, mp.ErrHealthy) {
			err = nil // another buyer has repaired it
		}
	}
	if err == errSoldOut {
		err = nil
	}
	return bought, err
})

func (s sale) locked(ctx context.Context, f func() error) error {
	if s.Lock == nil {
		return f()
	}
	return s.Lock.With(ctx, f)
}

func (s sale) buy() error {
	kill := false
	err := change(s.File, func(st *stock) error {
		if st.Left == 0 {
			return errSoldOut
		}
		st.Left--
		kill, st.Kill = st.Kill, false
		time.Sleep(time.Millisecond) // without a lock, others read the file now
		return nil
	})
	if err != nil {
		return err
	}
	if kill {
		me, _ := os.FindProcess(os.Getpid())
		_ = me.Kill()
	}
	return change(s.File, func(st *stock) error { st.Sold++; return nil })
}

func (s sale) repair() error {
	fmt.Println("a buyer was killed: its ticket is for sale again")
	return change(s.File, func(st *stock) error { st.Left = st.Total - st.Sold; return nil })
}

func main() {
	mp.Init()
	n := program.Count("buyers", 2, 4, "how many `processes` buy")
	tickets := program.Count("tickets", 1, 10, "how many tickets there are")
	dir := flag.String("dir", os.TempDir(), "`folder` for the file, which is removed at the end")
	program.Main(func(ctx context.Context) error { return run(ctx, *dir, *n, *tickets) })
}

func run(ctx context.Context, dir string, n, tickets int) error {
	dir, err := os.MkdirTemp(dir, "ticket")
	if err != nil {
		return err
	}
	mp.AtExit(func() { _ = os.RemoveAll(dir) }) // when the last buyer is gone
	pool, err1 := mp.NewPool(ctx, n)
	start, err2 := mp.NewBarrier(n)
	lock, err3 := mp.NewMutex()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s := sale{filepath.Join(dir, "stock.json"), start, nil}
	st := stock{Total: tickets, Left: tickets}
	if err := s.sell(ctx, "without a lock", pool, st); err != nil {
		return err
	}
	s.Lock = lock
	if err := s.sell(ctx, "with a Mutex", pool, st); err != nil {
		return err
	}
	st.Kill = true
	return s.sell(ctx, "with a Mutex and a kill", pool, st)
}

func (s sale) sell(ctx context.Context, how string, pool *mp.Pool, st stock) error {
	if err := st.write(s.File); err != nil {
		return err
	}
	everybody := slices.Repeat([]sale{s}, pool.Workers())
	bought, err := buyer.Map(ctx, pool, everybody, mp.WithChunk(1), mp.WithAllErrors())
	var died *mp.WorkerDiedError
	if err != nil && !(st.Kill && errors.As(err, &died)) {
		return err
	}
	sold := 0
	for _, n := range bought {
		sold += n
	}
	fmt.Printf("%s: %d tickets, %d sold\n", how, st.Total, sold)
	return nil
}
