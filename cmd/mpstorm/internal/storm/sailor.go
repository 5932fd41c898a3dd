package storm

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/mpgo/mp"
)

// hands is how many goroutines of a sailor work.
const hands = 2

// Articles are what a sailor gets when its process begins.
type Articles struct {
	Berth  int
	Life   int64
	Seed   uint64
	Limit  time.Duration
	Logs   Logs
	Orders *mp.Queue[Order] // for the watches after the first
	First  Order
}

// An Order tells a sailor to work through a watch.
type Order struct {
	Watch int64
	World World
}

// sailor is a process of the crew. It works through watches until its orders end, or
// somebody kills it.
var sailor = mp.Register("mpstorm.sailor", sail)

func sail(ctx context.Context, a Articles) (int, error) {
	signal.Ignore(os.Interrupt) // Ctrl-C is the captain's affair
	o, err := a.First, error(nil)
	for n := 0; ; n++ {
		if errors.Is(err, mp.ErrClosed) {
			return n, a.free()
		}
		if err != nil {
			return n, err
		}
		if err := a.work(ctx, &o); err != nil {
			return n, err
		}
		o, err = a.Orders.Get(ctx)
	}
}

func (a *Articles) free() error { return errors.Join(a.Logs.free(), a.Orders.Free()) }

// work works through a watch with all hands and reports that it is at rest.
func (a *Articles) work(ctx context.Context, o *Order) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan error, hands)
	for i := range hands {
		h := a.hand(ctx, i, &o.World)
		go func() {
			err := h.watch(o.Watch)
			if err != nil {
				cancel() // the other one need not wait for anybody
			}
			ends <- err
		}()
	}
	var errs []error
	for range hands {
		errs = append(errs, <-ends)
	}
	if err := worst(append(errs, o.World.free())...); err != nil {
		return err
	}
	a.Logs.page(a.Berth*hands).store(pageRest, o.Watch)
	return nil
}

func (a *Articles) hand(ctx context.Context, nth int, w *World) *hand {
	return &hand{
		ctx: ctx, world: w, life: a.Life, limit: a.Limit, logs: a.Logs,
		rng:  rand.New(rand.NewPCG(a.Seed, uint64(nth))),
		page: a.Logs.page(a.Berth*hands + nth),
	}
}
