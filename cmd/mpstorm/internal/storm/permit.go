package storm

import (
	"context"
	"fmt"
	"runtime"
)

// permits of each semaphore.
const permits = 3

var permitActs = []act{
	{
		// What a dead process had is gone: the captain gives it back, and there must not be
		// more of it than that process can have had.
		name: "Semaphore", weight: 5,
		do: func(h *hand) error {
			s := h.world.Semaphore
			return h.several(burst, func() error {
				h.open(1)
				defer h.open(0)
				if err := h.permit(s.Acquire, s.TryAcquire); err != nil {
					return err
				}
				return s.Release(1)
			})
		},
		help: func(h *hand, n news) error {
			missing := n.tally.open - h.credit
			if missing == 0 {
				return nil
			}
			h.credit += missing
			return h.world.Semaphore.Release(missing)
		},
		audit: func(h *hand, t tally) error {
			there := h.world.Semaphore.Value() - h.credit
			if there > permits || there < permits-t.open {
				return fmt.Errorf("%d permits of %d, and the dead can have had %d", there, permits, t.open)
			}
			return nil
		},
	},
	{
		name: "BoundedSemaphore", weight: 5,
		do: func(h *hand) error {
			s := h.world.Bounded
			return h.several(burst, func() error {
				if err := h.permit(s.Acquire, s.TryAcquire); err != nil {
					return err
				}
				if h.chance(8) {
					runtime.Gosched()
				}
				return s.Release()
			})
		},
		audit: func(h *hand, _ tally) error {
			return equal("permits", h.world.Bounded.Value(), h.world.Bounded.Limit())
		},
	},
}

// permit takes a permit, in one way or the other.
func (h *hand) permit(acquire func(context.Context) error, try func() (bool, error)) error {
	return h.lock(door{lock: acquire, try: try})
}
