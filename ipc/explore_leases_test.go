//go:build explore

package ipc

import (
	"context"
	"fmt"
	"time"

	"github.com/mpgo/mp/internal/explore"
)

func init() {
	models["lease/returned for a slot"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredSlotless}
	models["lease/closed"] = explore.Model{Preemptions: 2, Setup: exploredEnd} // which can be finished
	models["lease/closed by one who dies"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredEnd}
	models["join"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredJoin}
	models["lease/returned for later"] = explore.Model{Preemptions: 2, Kills: 1, Ticks: 1, Setup: exploredReturn}
}

// exploredJoin: one puts two messages and waits until they are dealt with, one receives
// a message, and one all that come. When it has waited, somebody has begun to
// acknowledge each of them; and it does not wait for ever.
func exploredJoin(x *explore.Execution) {
	o := newLeases(x, 2)
	for i, d := range o.c.citizens {
		r := o.open(d)
		switch i {
		case 0:
			x.Witness(func() {
				o.c.must(o.putAll(r, 0, 2))
				o.c.must(r.Join(context.Background()))
				for m := range 2 {
					x.Check(o.acks[1][m] || o.acks[2][m], "message %d is not dealt with", m)
				}
			})
		case 1:
			x.Process(func() { o.receive(i, r, 1) })
		default:
			x.Witness(func() { o.receive(i, r, 2) })
		}
	}
	x.Excuse(func(i int) error {
		if i == 0 {
			return fmt.Errorf("there is nothing to wait for: %v", o.rests(i))
		}
		return o.rests(i)
	})
	x.Finally(o.settle)
}

// exploredReturn: one puts a message. Of two who receive, whoever has it first returns
// it, to be delivered some time later, and not before; whoever has it then acknowledges it.
func exploredReturn(x *explore.Execution) {
	const delay = 50 * time.Millisecond
	o := newLeases(x, 1)
	due, returner := int64(0), 0
	serve := func(i int, r *Ring) {
		for {
			l, err := r.Receive(context.Background())
			o.c.must(err)
			m := o.hold(i, l)
			if l.Attempt() > 1 {
				early := due - monotonic()
				x.Check(early <= 0 || x.Killed(returner), "delivered %v too early", time.Duration(early))
				o.ack(i, l, m)
				return
			}
			due, returner = monotonic()+int64(delay), i
			o.c.must(l.Nack(delay))
		}
	}
	for i, d := range o.c.citizens {
		r := o.open(d)
		switch i {
		case 0:
			x.Witness(func() { o.c.must(o.putAll(r, 0, 1)) })
		case 1:
			x.Process(func() { serve(i, r) })
		default:
			x.Witness(func() { serve(i, r) })
		}
	}
	x.Excuse(o.rests)
	x.Finally(o.settle)
}

// exploredSlotless: one puts two messages, for whose leases there is one slot. One receives
// a message, returns it, and does not come again; one acknowledges one message.
func exploredSlotless(x *explore.Execution) {
	o := newLeases(x, 1)
	for i, d := range o.c.citizens {
		r := o.open(d)
		switch i {
		case 0:
			x.Witness(func() { o.c.must(o.putAll(r, 0, 2)) })
		case 1:
			x.Process(func() {
				l, err := r.Receive(context.Background())
				o.c.must(err)
				o.hold(i, l)
				o.c.must(l.Nack(0))
			})
		default:
			x.Witness(func() { o.receive(i, r, 1) })
		}
	}
	x.Excuse(o.rests)
	x.Finally(o.settle)
}

// exploredEnd: while one puts a message, another closes the ring. Two receive once each: the
// message, if it came in time, or ErrClosed; nobody waits for ever.
func exploredEnd(x *explore.Execution) {
	o := newLeases(x, 1)
	once := func(i int, r *Ring) {
		l, err := r.Receive(context.Background())
		if err == ErrClosed {
			return
		}
		o.c.must(err)
		o.ack(i, l, o.hold(i, l))
	}
	for i, d := range o.c.citizens {
		r := o.open(d)
		switch i {
		case 0:
			x.Witness(func() {
				if err := o.putAll(r, 0, 1); err != ErrClosed {
					o.c.must(err)
				}
			})
		case 1:
			x.Process(func() {
				o.c.must(r.Close())
				once(i, r)
			})
		default:
			x.Witness(func() { once(i, r) })
		}
	}
	x.Excuse(o.rests)
	x.Finally(o.settle)
}
