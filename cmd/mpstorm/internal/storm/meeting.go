package storm

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/mpgo/mp"
)

// parties of the barrier.
const parties = 2

// The words of World.Meetings.
const (
	arrived = iota // parties that came to the barrier
	met            // times that all met
	left           // parties that went on because all had met
	meetings
)

// onces is how many things happen once in a watch.
const onces = 64

// The words of World.Done, for each of them.
const (
	doer    = iota // the life that is at it, or 0
	settled        // 1 when a Do has returned that it is done
	doneWords
)

var meetingActs = []act{
	{
		name: "Barrier", weight: 3,
		do: (*hand).meet,
		help: func(h *hand, n news) error {
			if !n.over && !h.chance(10) {
				return nil
			}
			return h.world.Barrier.Abort() // the others may be at rest, or at something else
		},
		audit: func(h *hand, _ tally) error {
			w := h.world
			came, times, gone := load(w.Meetings, arrived), load(w.Meetings, met), load(w.Meetings, left)
			if gone > parties*times || parties*times > came {
				return fmt.Errorf("%d came, %d times all of %d met, %d went on", came, times, parties, gone)
			}
			return equal("parties that wait", w.Barrier.Waiting(), 0)
		},
	},
	{
		name: "Event", weight: 5,
		do: func(h *hand) error {
			e := h.world.Event
			switch h.rng.IntN(3) {
			case 0:
				return e.Set()
			case 1:
				return e.Clear()
			}
			return h.waits(e.Wait)
		},
		help: func(h *hand, _ news) error { return h.world.Event.Set() },
	},
	{
		name: "Once", weight: 3,
		do: (*hand).once,
		audit: func(h *hand, _ tally) error {
			var errs []error
			for i, o := range h.world.Onces {
				if h.settled(i) && !o.Done() {
					errs = append(errs, fmt.Errorf("number %d was done and is not", i))
				}
			}
			return errors.Join(errs...)
		},
	},
}

// meet waits at the barrier, and makes it as new if it is broken.
func (h *hand) meet() error {
	b, words := h.world.Barrier, h.world.Meetings
	err := b.SetAction(func() error { mp.AddAt(words, met, 1); return nil })
	if err != nil {
		return err
	}
	mp.AddAt(words, arrived, 1)
	err = h.waits(func(ctx context.Context) error {
		_, err := b.Wait(ctx)
		return err
	})
	switch {
	case err == nil:
		mp.AddAt(words, left, 1)
	case errors.Is(err, mp.ErrBrokenBarrier) || errors.Is(err, errPassed):
		return worst(errPassed, b.Reset())
	}
	return err
}

// once does one of the things that happen once.
func (h *hand) once() error {
	i := h.rng.IntN(onces)
	err := h.waits(func(ctx context.Context) error {
		return h.world.Onces[i].Do(ctx, func() error { return h.doing(i) })
	})
	if err == nil {
		mp.AddAt(h.world.Done, i*doneWords+settled, 1)
	}
	return err
}

func (h *hand) settled(i int) bool { return load(h.world.Done, i*doneWords+settled) > 0 }

// doing is what happens once. It may fail; then it has not happened.
func (h *hand) doing(i int) error {
	if h.settled(i) {
		return fmt.Errorf("number %d is done again", i)
	}
	who := i*doneWords + doer
	store(h.world.Done, who, h.life)
	runtime.Gosched()
	if now := load(h.world.Done, who); now != h.life {
		return fmt.Errorf("number %d: life %d is at it, and life %d too", i, h.life, now)
	}
	if h.chance(3) {
		return errPassed
	}
	return nil
}
