package shm

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/sys"
)

// The guardian is one goroutine of each process of the arena, locked to its
// thread for life. It does two things with that thread: it dies with the
// process, which makes the kernel mark the process's life word and wake one
// sleeper there; and it sleeps on the life words of the others, to be that
// sleeper.
//
// The mark is a hint only: it tells that one thread has ended, and a sibling
// thread may still be inside a system call that writes to shared memory. The
// proof is the process's pidfd. Nothing is touched before it.
//
// The kernel wakes exactly one sleeper of a life word. If that one is killed on
// the way, its own mark wakes the next, who then looks at all life words. If it
// is stopped, the others find the mark when they look around, every lookAround.
// Looking around proves nothing by itself: it only asks again.
const (
	lookAround = 500 * time.Millisecond

	// watchLimit leaves one place for the table's version in FUTEX_WAITV, which
	// takes FUTEX_WAITV_MAX = 128 words (include/uapi/linux/futex.h). With more
	// processes each guardian watches those that follow its own slot, so that some
	// living one always watches the next dead one.
	watchLimit = 127
)

// describe writes who this process is. Only the process itself calls it.
func (s *slot) describe(parent Incarnation) {
	pid := os.Getpid()
	started, err := sys.StartTime(pid)
	if err != nil {
		started = 0 // no /proc: the pid alone must do
	}
	s.pid.Store(int64(pid))
	s.started.Store(started)
	s.namespace.Store(sys.PidNamespace())
	s.parent.Store(uint32(parent))
}

// startGuardian returns when the kernel knows of the guardian's thread.
func (a *Arena) startGuardian() error {
	ready := make(chan error)
	go a.guard(ready)
	return <-ready
}

func (a *Arena) guard(ready chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread is the process's life
	err := a.slots[a.self.Slot()].watchThread()
	ready <- err
	if err != nil {
		return
	}
	var words []sys.Futex
	for {
		version := a.head.tableVersion.Load()
		words = append(words[:0], sys.Futex{Word: &a.head.tableVersion, Val: version})
		words = a.watch(words)
		deadline := int64(0)
		if len(words) > 1 {
			deadline = sys.Monotonic() + int64(lookAround)
		}
		// Whatever ended the sleep, the next round looks at everything.
		_ = futex.Wait(words, deadline)
	}
}

// watch looks at the life words of all others, has the marked ones investigated,
// and appends those to sleep on.
func (a *Arena) watch(words []sys.Futex) []sys.Futex {
	me := a.self.Slot()
	for n := 1; n < len(a.slots); n++ {
		at := (me + n) % len(a.slots)
		s := &a.slots[at]
		st := s.load()
		switch st.phase() {
		case vacant, reserved:
			continue
		case dead:
			a.investigate(makeIncarnation(at, st.gen()))
			continue
		}
		life := s.life.Load()
		if life&lifeDied != 0 {
			a.investigate(makeIncarnation(at, st.gen()))
		} else if len(words) <= watchLimit {
			words = append(words, sys.Futex{Word: &s.life, Val: life})
		}
	}
	return words
}

// suspects are the incarnations under investigation in this process.
type suspects struct {
	mu  sync.Mutex
	now map[Incarnation]bool
}

// begin reports whether i was not under investigation yet.
func (s *suspects) begin(i Incarnation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now[i] {
		return false
	}
	if s.now == nil {
		s.now = make(map[Incarnation]bool)
	}
	s.now[i] = true
	return true
}

func (s *suspects) end(i Incarnation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.now, i)
}

// investigate proves a death and buries the dead, without holding up the
// guardian: the last thread of a process may take its time to end.
func (a *Arena) investigate(i Incarnation) {
	if !a.suspects.begin(i) {
		return
	}
	go func() {
		defer a.suspects.end(i)
		if a.prove(i) {
			a.Bury(i)
		}
	}()
}

// prove waits until the process that i names is gone, and reports whether it
// could find that out. It cannot from another pid namespace; there the parent,
// who has the process's pidfd from birth, is the one to tell.
func (a *Arena) prove(i Incarnation) bool {
	if !a.Alive(i) {
		return true
	}
	s := &a.slots[i.Slot()]
	if s.namespace.Load() != sys.PidNamespace() {
		return false
	}
	pid, started := int(s.pid.Load()), s.started.Load()
	pidfd, err := sys.PidfdOpen(pid)
	if err != nil {
		return errors.Is(err, syscall.ESRCH)
	}
	defer func() { _ = pidfd.Close() }()
	// The pid may have been given to another process since; then ours is gone. The
	// start time is read after the pidfd was opened. Where it cannot be read, the
	// end of whoever the pidfd names proves as much, only later.
	if now, err := sys.StartTime(pid); err == nil && started != 0 && now != started {
		return true
	}
	return sys.AwaitExit(pidfd) == nil
}
