package storm

import (
	"context"
	"errors"
	"fmt"

	"github.com/mpgo/mp"
)

// The words of World.Stock, which the Cond's lock protects. What is in stock was made
// and not taken.
const (
	inStock = iota
	made
	taken
	stockTeller // the life that had the lock last
	stockWords
)

var stockActs = []act{{
	name: "Cond", weight: 8,
	do: func(h *hand) error {
		return h.several(10, func() error {
			if h.prefers(h.world.Cond.Waiting() > 0, false) {
				return h.produce()
			}
			return h.consume()
		})
	},
	help: func(h *hand, _ news) error {
		if h.world.Cond.Waiting() == 0 {
			return nil
		}
		return h.produce()
	},
	audit: func(h *hand, _ tally) error {
		return errors.Join(
			h.inStock(func(s words) error {
				if s.At(inStock) != s.At(made)-s.At(taken) {
					return fmt.Errorf("%d made, %d taken, %d there", s.At(made), s.At(taken), s.At(inStock))
				}
				return nil
			}),
			unheld("Mutex", h.world.Cond.Mutex().Locked()),
			equal("who wait", h.world.Cond.Waiting(), 0))
	},
}}

// takeStock is the repair: what was made and what was taken is right.
func takeStock(s words) error {
	s.Set(inStock, s.At(made)-s.At(taken))
	return nil
}

// inStock does something with the stock, under its lock.
func (h *hand) inStock(f func(words) error) error {
	d, s := mutexDoor(h.world.Cond.Mutex()), h.world.Stock
	err := h.locked(d, func() error { return takeStock(s) }, func() int64 { return s.At(stockTeller) })
	if err != nil {
		return err
	}
	s.Set(stockTeller, h.life)
	err = f(s)
	if errors.Is(err, mp.ErrOwnerDied) { // while it waited: somebody else died, and the lock is not held
		return errPassed
	}
	return worst(err, d.unlock())
}

func (h *hand) produce() error {
	return h.inStock(func(s words) error {
		s.Set(made, s.At(made)+1)
		h.dawdle()
		s.Set(inStock, s.At(inStock)+1)
		if h.chance(3) {
			return h.world.Cond.NotifyAll()
		}
		return h.world.Cond.Notify(1)
	})
}

func (h *hand) consume() error {
	return h.inStock(func(s words) error {
		err := h.waits(func(ctx context.Context) error {
			return h.world.Cond.WaitFor(ctx, func() bool { return s.At(inStock) > 0 })
		})
		if err != nil {
			return err
		}
		s.Set(stockTeller, h.life)
		s.Set(taken, s.At(taken)+1)
		s.Set(inStock, s.At(inStock)-1)
		return nil
	})
}
