package ipc

import (
	"sync"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
)

// A Lookout is where one goroutine sleeps until any of several streams has
// something for this process. A gate, which each StreamReader has, is for one
// stream only; who reads two hundred would need as many threads.
//
// A round, and why nothing is slept through:
//
//	Announce   notes bell and epoch, and tells every writer that somebody sleeps
//	look       the caller tries each reader once more
//	Sleep      until a writer, a death or Wake changes what Announce noted
//
// A record that is committed before the look is found by it; a writer that commits
// later sees the announcement and rings (see streamMemory on barriers). A writer
// killed between the two raises the epoch with its death.
//
// Announce and the look want the readers to themselves, like any use of them; Sleep
// does not touch them.
type Lookout struct {
	epoch *shared.Uint32
	bell  shared.Uint32
	words []sys.Futex // of the last Announce: bell, epoch, and then one of each stream
}

// NewLookout is a Lookout over streams of the domain d.
func NewLookout(d Domain) *Lookout { return &Lookout{epoch: d.Epoch()} }

// Announce begins a round over the given readers.
func (l *Lookout) Announce(readers []*StreamReader) {
	l.words = append(l.words[:0],
		sys.Futex{Word: &l.bell, Val: l.bell.Load()},
		sys.Futex{Word: l.epoch, Val: l.epoch.Load()})
	reached := false
	for _, r := range readers {
		rung := r.mine.rung.Load()
		r.mine.waiting.Store(1)
		l.words = append(l.words, sys.Futex{Word: &r.mine.rung, Val: rung})
		reached = reached || r.reached
	}
	if reached {
		_ = sys.Barrier() // for all the writers' publish; it has worked before
	}
}

// Wake ends the Sleep of this or, if there is none, of the next round.
func (l *Lookout) Wake() {
	l.bell.Add(1)
	futex.WakeAll(&l.bell)
}

// perThread is how many streams one thread can sleep on: MaxFutexes with bell and
// epoch.
const perThread = sys.MaxFutexes - 2

// Sleep returns whenever it is worth looking again, which may be for no reason. An
// error means that it cannot sleep at all.
func (l *Lookout) Sleep() error {
	common, streams := l.words[:2], l.words[2:]
	if len(streams) <= perThread {
		return futex.Wait(l.words, 0)
	}
	// Each thread takes a part of them, and the first that is woken wakes the others.
	var others sync.WaitGroup
	for len(streams) > perThread {
		part := append(append(make([]sys.Futex, 0, sys.MaxFutexes), common...), streams[:perThread]...)
		streams = streams[perThread:]
		others.Go(func() {
			_ = futex.Wait(part, 0)
			l.Wake()
		})
	}
	err := futex.Wait(append(append(make([]sys.Futex, 0, sys.MaxFutexes), common...), streams...), 0)
	l.Wake()
	others.Wait()
	return err
}
