package ipc

import (
	"context"
	"fmt"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A RWMutexState is the shared memory of a RWMutex. Zero is an unlocked one.
//
//	offset  size
//	0       8     writer: the mutex among writers
//	8       4     admitted: the writer that may write, 0 if none; written by it
//	12      4     left: the news for the writer that the last reader of a process
//	              left
//	16      2048  readers: the roster; the value is how many read in that process
//
// A writer locks writer, then waits until no live process has readers, then
// stores itself in admitted. It clears admitted before it unlocks writer. A reader
// enters itself, then looks at writer: if that is free, it may read; else it
// leaves again, and waits for writer like one who wants to lock it. Each stores
// before it looks, so of a reader and a writer that come at the same time one sees
// the other. While a writer waits, no reader enters.
//
// One wake-up of whoever unlocks writer goes to one sleeper; if that is a reader,
// which takes nothing from the others, it wakes the next when it has entered.
//
// # A kill after each step
//
//	reader entered    the entry is a dead process's, so no hindrance; a waiting
//	                  writer looks again because of the death epoch
//	reader left       the news is missing: the epoch makes up for it
//	writer locked,    it has written nothing: the lock passes on quietly
//	not admitted
//	admitted          ErrOwnerDied
//	admitted cleared  it has written everything: the lock passes on quietly
//	unlocked          as of a Mutex
type RWMutexState struct {
	writer   MutexState
	admitted shared.Uint32
	left     news
	readers  roster
}

// RWMutexSize is the shared memory of a RWMutex in bytes; it is aligned to 8.
const RWMutexSize = MutexSize + 8 + 8*shm.MaxProcesses

// A RWMutex is a lock that any number of readers, or one writer, may hold, across
// processes. It must not be copied. A reader that dies hinders nobody; if a writer
// dies while it holds the lock, everybody gets ErrOwnerDied until a Recover, as
// with a Mutex.
//
// A waiting writer keeps new readers out, so a goroutine must not read-lock twice.
//
// An Unlock synchronizes before every later Lock and RLock, an RUnlock before
// every later Lock.
//
// Python has none.
type RWMutex struct {
	state *RWMutexState
	m     *Mutex
	drain *gate // the writer waits here for the readers
	entry *gate // readers wait here for the writer
	read  readers
}

// readers is the part of a RWMutex that its readers use.
type readers struct {
	s    *RWMutexState
	mine *shared.Uint64
	me   shm.Incarnation
	edge edge
}

// NewRWMutex is the calling process's view of the lock at s.
func NewRWMutex(d Domain, s *RWMutexState, opts ...MutexOption) *RWMutex {
	l := &RWMutex{state: s, m: NewMutex(d, &s.writer, opts...), drain: newGate(d), entry: newGate(d)}
	l.m.idle = func() bool { return s.admitted.Load() == 0 }
	l.read = readers{s: s, me: d.Self(), mine: s.readers.of(d.Self())}
	return l
}

// Lock locks l for writing. Its errors are those of Mutex.Lock.
func (l *RWMutex) Lock(ctx context.Context) error {
	if err := l.m.Lock(ctx); err != nil {
		return err
	}
	if l.reading() {
		if err := l.awaitReaders(ctx); err != nil {
			_ = l.m.Unlock()
			return err
		}
	}
	l.admit()
	return nil
}

func (l *RWMutex) awaitReaders(ctx context.Context) error {
	return l.drain.wait(ctx, func(announce bool) (done bool, word *shared.Uint32, seen uint32) {
		if announce {
			seen = l.state.left.expect()
		}
		return !l.reading(), &l.state.left.word, seen
	})
}

func (l *RWMutex) admit() {
	l.state.admitted.Store(l.m.me)
	l.read.edge.acquire()
}

// reading reports whether a live process reads.
func (l *RWMutex) reading() bool {
	for i := range l.state.readers {
		e := l.state.readers[i].Load()
		if uint32(e) != 0 && l.m.d.Alive(entryOwner(e)) {
			return true
		}
	}
	return false
}

// TryLock locks l for writing if that is possible at once, and reports whether it
// did. The errors are those of Lock.
func (l *RWMutex) TryLock() (bool, error) {
	if ok, err := l.m.TryLock(); !ok || err != nil {
		return false, err
	}
	if l.reading() {
		return false, l.m.Unlock()
	}
	l.admit()
	return true, nil
}

// Unlock ends writing. Its errors are those of Mutex.Unlock.
func (l *RWMutex) Unlock() error {
	if l.state.admitted.CompareAndSwap(l.m.me, 0) {
		return l.m.Unlock()
	}
	switch {
	case l.m.gate.closed.Load():
		return ErrClosed
	case l.state.admitted.Load() != 0:
		return ErrNotOwner
	}
	return ErrNotLocked
}

// RLock locks l for reading. It blocks while a writer holds the lock or waits for
// it. Its errors are those of Lock.
func (l *RWMutex) RLock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.entry.closed.Load() && l.read.tryEnter() {
		l.m.edge.acquire()
		return nil
	}
	return l.rlockSlow(ctx)
}

func (l *RWMutex) rlockSlow(ctx context.Context) error {
	l.entry.enter()
	defer l.entry.leave()
	p := l.m.passage(l.entry, &l.read)
	err := l.entry.wait(ctx, p.try)
	p.resign()
	if err == nil {
		err = p.err
	}
	if err == nil {
		l.m.edge.acquire()
	}
	return err
}

// TryRLock locks l for reading if that is possible at once, and reports whether it
// did. The errors are those of Lock.
func (l *RWMutex) TryRLock() (bool, error) {
	if l.entry.closed.Load() {
		return false, ErrClosed
	}
	p := l.m.passage(l.entry, &l.read)
	p.rude = true
	done, _, _ := p.try(false)
	if !done || p.err != nil {
		return false, p.err
	}
	l.m.edge.acquire()
	return true, nil
}

// RUnlock ends reading. It is ErrNotLocked if nobody of this process reads.
func (l *RWMutex) RUnlock() error {
	if l.entry.closed.Load() {
		return ErrClosed
	}
	return l.read.leave()
}

// add enters one reader.
func (r *readers) add() {
	for { // again if another reader of the process came or left
		e := r.mine.Load()
		next := e + 1
		if entryOwner(e) != r.me { // the slot's former process, long dead
			next = entry(r.me, 1)
		}
		if r.mine.CompareAndSwap(e, next) {
			return
		}
	}
}

// leave takes one reader out, and tells the writer of the last one.
func (r *readers) leave() error {
	r.edge.release()
	for { // again if another reader of the process came or left
		e := r.mine.Load()
		if entryOwner(e) != r.me || uint32(e) == 0 {
			return ErrNotLocked
		}
		if r.mine.CompareAndSwap(e, e-1) {
			if uint32(e) == 1 {
				r.s.left.publish(everybody)
			}
			return nil
		}
	}
}

// tryEnter is the fast path.
func (r *readers) tryEnter() bool {
	if r.s.writer.word.Load() != 0 {
		return false
	}
	r.add()
	if r.s.writer.word.Load() == 0 {
		return true
	}
	_ = r.leave()
	return false
}

// enter is how a passage claims for reading what it saw free as v. Having slept,
// it wakes the next sleeper.
func (r *readers) enter(p *passage, v uint32) bool {
	r.add()
	if now := r.s.writer.word.Load(); now != 0 && now != v {
		_ = r.leave()
		return false
	}
	switch {
	case v == waiters && r.s.writer.word.CompareAndSwap(v, 0): // no longer reserved
		futex.WakeAll(&r.s.writer.word)
	case p.as&waiters != 0:
		futex.Wake(&r.s.writer.word, 1)
	}
	return true
}

// Recover is that of Mutex, for a writer that died.
func (l *RWMutex) Recover(ctx context.Context, repair func() error) error {
	return l.m.Recover(ctx, func() error {
		if repair != nil {
			if err := repair(); err != nil {
				return err
			}
		}
		l.state.admitted.Store(0)
		return nil
	})
}

// Locked reports whether a writer holds the lock or waits for the readers to
// leave.
func (l *RWMutex) Locked() bool { return l.m.Locked() }

// Owner is the writer, as Mutex.Owner tells it.
func (l *RWMutex) Owner() shm.Incarnation { return l.m.Owner() }

// Readers is the number of those who hold the lock for reading.
func (l *RWMutex) Readers() int {
	n := 0
	for i := range l.state.readers {
		if e := l.state.readers[i].Load(); uint32(e) != 0 && l.m.d.Alive(entryOwner(e)) {
			n += int(uint32(e))
		}
	}
	return n
}

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed. What its readers hold is given back; a writer's lock becomes a
// dead owner's.
func (l *RWMutex) Close() error {
	l.entry.close()
	l.drain.close()
	for l.read.leave() == nil {
	}
	return l.m.Close()
}

// String tells the writer and the number of readers.
func (l *RWMutex) String() string {
	if l.m.gate.closed.Load() {
		return "RWMutex(closed)"
	}
	return fmt.Sprintf("RWMutex(writer=%s, readers=%d)", describe(l.m.d, l.Owner()), l.Readers())
}
