package storm

import (
	"context"
	"errors"
	"fmt"

	"github.com/mpgo/mp"
)

// An Entry is a Value of many words that belong together.
type Entry struct {
	Serial int64
	Parts  [9]int64
	Sum    int64
}

// next makes the next entry.
func (e *Entry) next() {
	e.Serial++
	e.Sum = 0
	for i := range e.Parts {
		e.Parts[i] = e.Serial * int64(i+1)
		e.Sum += e.Parts[i]
	}
}

// sound reports whether e is what so many calls of next make, and no mix.
func (e Entry) sound() bool {
	want := Entry{Serial: e.Serial - 1}
	want.next()
	return e == want || e == Entry{}
}

// A Count is a Value and the number of changes that are known to be done to it. What
// those who were killed had open may have happened besides.
type Count[T any] struct {
	Value *mp.Value[T]
	Known *mp.Value[int64]
}

func newCount[T any](first T) (c Count[T], err error) {
	var errs [2]error
	c.Value, errs[0] = mp.NewValue(first)
	c.Known, errs[1] = mp.NewValue(int64(0))
	return c, errors.Join(errs[:]...)
}

// counted does a change, and notes that it is done.
func (c Count[T]) counted(h *hand, change func() error) error {
	h.open(1)
	err := change()
	if err == nil {
		_, err = mp.Add(c.Known, 1)
	}
	h.open(0)
	return err
}

// check compares what is there with what is known.
func (c Count[T]) check(there int64, t tally) error {
	known := c.Known.Load()
	if there < known || there > known+int64(t.open) {
		return fmt.Errorf("%d changes are there; %d are known to be done, and %d more may be", there, known, t.open)
	}
	return nil
}

func look(e Entry) error {
	if !e.sound() {
		return fmt.Errorf("a mix of two values: %+v", e)
	}
	return nil
}

var counterActs = []act{
	{
		name: "Value.Update", weight: 10,
		do: func(h *hand) error {
			c := h.world.Entry
			return h.several(burst, func() error {
				if h.chance(2) {
					return look(c.Value.Load())
				}
				var before Entry
				err := c.counted(h, func() error {
					return h.waits(func(ctx context.Context) error {
						return c.Value.Update(ctx, func(e *Entry) { before = *e; e.next() })
					})
				})
				return worst(err, look(before))
			})
		},
		audit: func(h *hand, t tally) error {
			e := h.world.Entry.Value.Load()
			return errors.Join(look(e), h.world.Entry.check(e.Serial, t))
		},
	},
	{
		name: "Value, Add", weight: 5,
		do: func(h *hand) error {
			c := h.world.Count
			return h.several(burst, func() error {
				return c.counted(h, func() error {
					if h.chance(2) {
						_, err := mp.Add(c.Value, 1)
						return err
					}
					old := c.Value.Load()
					done, err := c.Value.CompareAndSwap(old, old+1)
					if err == nil && !done {
						err = errPassed
					}
					return err
				})
			})
		},
		audit: func(h *hand, t tally) error {
			return h.world.Count.check(h.world.Count.Value.Load(), t)
		},
	},
}
