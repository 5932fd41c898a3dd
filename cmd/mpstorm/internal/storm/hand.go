package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/mpgo/mp"
)

// A hand is one goroutine of the crew. It does one act after the other, at random,
// until the bell rings.
type hand struct {
	ctx   context.Context
	rng   *rand.Rand
	life  int64 // of its process
	limit time.Duration
	logs  Logs
	page  page
	world *World

	// captain says that this is the first process's, which is never killed: it does not
	// wait for what only others can do, and audits.
	captain bool
	credit  int // permits that the captain has given in place of the dead
}

// errNotNow: the act is one to be done less often than it is picked.
var errNotNow = errors.New("not now")

// errPassed: the act came to nothing, as it may.
var errPassed = errors.New("passed")

// watch works until the bell has rung for the watch.
func (h *hand) watch(number int64) error {
	for h.logs.Bell.Load() < number && h.ctx.Err() == nil {
		if err := h.act(h.pick()); err != nil {
			return err
		}
	}
	return nil
}

// pick chooses an act by its weight.
func (h *hand) pick() int {
	n := h.rng.IntN(allWeights)
	for i := range acts {
		if n -= acts[i].weight; n < 0 {
			return i
		}
	}
	panic("the weights do not add up")
}

// act does an act, and writes down what became of it.
func (h *hand) act(nth int) error {
	h.page.store(pageAct, int64(nth+1))
	err := acts[nth].do(h)
	h.page.store(pageAct, 0)
	switch {
	case err == nil:
		h.page.count(nth, countDone)
	case errors.Is(err, errNotNow):
	case passed(err):
		h.page.count(nth, countPassed)
	case full(err):
		h.page.count(nth, countRefused)
	default:
		return fmt.Errorf("%s: %w", acts[nth].name, err)
	}
	return nil
}

// passed reports whether an act came to nothing because nothing was there.
func passed(err error) bool {
	return errors.Is(err, errPassed) || errors.Is(err, mp.ErrFull) || errors.Is(err, mp.ErrEmpty)
}

// full reports whether there was no shared memory for an act.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOMEM) }

// worst is the first error that is a violation, or else the first that is one at all.
func worst(errs ...error) (first error) {
	for _, err := range errs {
		switch {
		case err == nil:
		case !passed(err) && !full(err):
			return err
		case first == nil:
			first = err
		}
	}
	return first
}

// chance is true once in n times.
func (h *hand) chance(n int) bool { return h.rng.IntN(n) == 0 }

// dawdle takes its time, now and then, where it is bad to be killed.
func (h *hand) dawdle() {
	if !h.chance(20) {
		return
	}
	for end := time.Now().Add(time.Duration(h.rng.Int64N(int64(200 * time.Microsecond)))); time.Now().Before(end); {
	}
}

// several does f a random number of times, and ends with its first error.
func (h *hand) several(most int, f func() error) error {
	for range 1 + h.rng.IntN(most) {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// brief is the longest of the waits that may be in vain.
const brief = 2 * time.Millisecond

// waits does something that waits; hands give up early now and then.
func (h *hand) waits(f func(ctx context.Context) error) error {
	if h.captain || !h.chance(8) {
		return h.patiently(f)
	}
	ctx, cancel := context.WithTimeout(h.ctx, time.Duration(h.rng.Int64N(int64(brief))))
	defer cancel()
	err := f(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errPassed
	}
	return err
}

// patiently does something that waits. Nobody has to wait for so long, whoever dies:
// the end of the patience is a violation.
func (h *hand) patiently(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(h.ctx, h.limit)
	defer cancel()
	err := f(ctx)
	switch {
	case err != nil && h.ctx.Err() != nil:
		return errPassed // the storm is called off
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w for %v: %w", errHang, h.limit, err)
	}
	return err
}

var errHang = errors.New("it hangs")

// open notes that n effects may happen from now on before they are written down, or
// with 0 that all are.
func (h *hand) open(n int) { h.page.store(pageOpen, int64(n)) }
