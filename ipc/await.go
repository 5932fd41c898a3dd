package ipc

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
	"github.com/mpgo/mp/internal/sys"
)

// A Source is something that can be ready: a StreamReader, or a RingSource.
// Whoever waits for it takes nothing from it.
type Source interface {
	// Enter comes first, and Leave last. Between the two this process's view of the
	// source stays usable. If the wake-up was for somebody who would take what is
	// there, Leave passes that on.
	Enter()
	Leave() // ends what Enter began

	// Ready reports whether it is ready now.
	Ready() bool

	// Announce says that somebody may sleep until it is. It comes before the look
	// that decides, and appends what to sleep on.
	Announce([]sys.Futex) []sys.Futex
}

// A Watch waits until one of several sources is ready, or rung is. It is used by
// one goroutine, and once; only Ring may be called by others.
//
// It sleeps like the leader of a gate, on many words at once: those of its
// sources, the death epoch and its own bell. See gate for why no wake-up is lost.
// More words than the kernel takes at a time are slept on by further goroutines,
// each with a part of them, for as long as the sleep lasts.
type Watch struct {
	d       Domain
	sources []Source
	rung    atomic.Bool
	bell    shared.Uint32
	words   []sys.Futex
}

// NewWatch watches the sources.
func NewWatch(d Domain, sources []Source) *Watch { return &Watch{d: d, sources: sources} }

// Ring ends Wait, now or when it is called.
func (w *Watch) Ring() {
	w.rung.Store(true)
	w.wake()
}

// wake makes who sleeps look again.
func (w *Watch) wake() {
	w.bell.Add(1)
	futex.WakeAll(&w.bell)
}

// Wait returns nil when a source is ready or Ring was called, and otherwise the
// context's error when that is done.
func (w *Watch) Wait(ctx context.Context) error {
	for _, s := range w.sources {
		s.Enter()
		defer s.Leave()
	}
	if w.ready() || w.spin() {
		return nil
	}
	if ctx.Done() != nil {
		defer afterDone(ctx, w.wake)()
	}
	for {
		bell, epoch := w.bell.Load(), w.d.Epoch().Load()
		w.words = w.words[:0]
		for _, s := range w.sources {
			w.words = s.Announce(w.words)
		}
		if w.ready() {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.sleep(sys.Futex{Word: w.d.Epoch(), Val: epoch}, sys.Futex{Word: &w.bell, Val: bell}); err != nil {
			return err
		}
	}
}

func (w *Watch) ready() bool {
	return w.rung.Load() || slices.ContainsFunc(w.sources, Source.Ready)
}

// spin looks for a short time: what comes from a peer that is at work comes then.
func (w *Watch) spin() bool {
	if !spin.Worthwhile() {
		return false
	}
	for begin := elapsed(); elapsed()-begin < minPatience; {
		if w.ready() {
			return true
		}
		spin.Pause(1)
	}
	return false
}

// sleep sleeps until one of the words, or one of those for all, is woken.
func (w *Watch) sleep(all ...sys.Futex) error {
	most := sys.MaxFutexes - len(all)
	if len(w.words) <= most {
		return futex.Wait(append(w.words, all...), 0)
	}
	var asleep sync.WaitGroup
	defer asleep.Wait()
	defer w.wake() // the others are woken by this, and wake this one in the same way
	parts := slices.Collect(slices.Chunk(w.words, most))
	for _, part := range parts[1:] {
		asleep.Go(func() {
			_ = futex.Wait(append(slices.Clip(part), all...), 0)
			w.wake()
		})
	}
	return futex.Wait(append(slices.Clip(parts[0]), all...), 0)
}
