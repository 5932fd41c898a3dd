package shm

import (
	"errors"
	"os"
	"runtime"
	"strconv"
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
// is stopped, the dead's parent knows from the pidfd; and if that is stopped or gone,
// too, the others find the mark when they look around: lookSoon after a guardian was
// woken, for whatever reason, and every lookLater while nothing wakes it. Looking
// around proves nothing by itself: it only asks again. It is rare because it is all
// that an idle tree does: a thread that wakes costs some 20 µs, and sets Go's monitor
// thread going for another 10 ms, which is ten times as much.
//
// A life word that somebody overwrote with garbage proves nothing: if it looks like
// a mark, the others wait for the pidfd. Its guardian writes it again when it looks
// around. If the process dies before, there is no mark, and only its parent knows.
//
// A process whose guardian the kernel does not know, because it forbids
// set_robust_list or because the process is only just beginning, leaves no mark.
// The others hold its pidfd and wait for its end on Go's poller, a goroutine
// each. Kernels without futex_waitv let a guardian sleep for a short time only
// (package futex): it sees marks that much later.
const (
	lookSoon  = time.Second
	lookLater = 10 * time.Second

	// watchLimit leaves one place for the table's version in FUTEX_WAITV, which
	// takes FUTEX_WAITV_MAX = 128 words (include/uapi/linux/futex.h). With more
	// processes each guardian watches those that follow its own slot, so that some
	// living one always watches the next dead one; whenever it wakes it looks at
	// the marks of all.
	watchLimit = 127
)

// A person is what a process says of itself, for people and for the proof of its death.
type person struct{ pid, started, namespace uint64 }

// myself is this process.
func myself() person {
	pid := os.Getpid()
	return person{uint64(pid), startTime(pid), ownNamespace()}
}

// ownNamespace is this process's pid namespace, which never changes: setns and unshare
// are for its children.
var ownNamespace = sync.OnceValue(sys.PidNamespace)

// describe writes who p is into a slot that is reserved for it as mine says, and
// reports false if it no longer is.
func (s *slot) describe(p person, mine slotStatus) bool {
	return s.pid.set(p.pid, s, mine) &&
		s.started.set(p.started, s, mine) &&
		s.namespace.set(p.namespace, s, mine)
}

// startTime tells processes with the same pid apart; 0 if it cannot: without
// /proc, or where that is of another pid namespace and speaks of other processes.
func startTime(pid int) uint64 {
	if me, err := os.Readlink("/proc/self"); err != nil || me != strconv.Itoa(os.Getpid()) {
		return 0
	}
	started, err := sys.StartTime(pid)
	if err != nil {
		return 0
	}
	return started
}

// startGuardian returns when this process has its slot, which was reserved as from
// says, and the kernel knows of the guardian's thread, or does not want to. It
// reports false if the slot was withdrawn.
func (a *Arena) startGuardian(from slotStatus) bool {
	joined := make(chan bool)
	go a.guard(from, joined)
	return <-joined
}

func (a *Arena) guard(from slotStatus, joined chan<- bool) {
	runtime.LockOSThread() // never unlocked: the thread is the process's life
	life, ok := a.takePlace(from)
	joined <- ok
	if !ok {
		return
	}
	s := &a.slots[a.self.Slot()]
	var words []sys.Futex
	var woken error // nil, unless nothing has woken us since the last look
	for {
		s.keepLife(life)
		version := a.head.tableVersion.Load()
		words = append(words[:0], sys.Futex{Word: &a.head.tableVersion, Val: version})
		words, found := a.watch(words)
		// Whatever ended the sleep, the next round looks at everything.
		woken = futex.Wait(words, nextLook(found, woken == nil))
		if woken != nil && !errors.Is(woken, os.ErrDeadlineExceeded) {
			time.Sleep(lookSoon) // the kernel is out of memory, or forbids futexes
		}
	}
}

// takePlace makes this process alive in its slot, and the calling thread the one whose
// end the kernel marks there. It reports false if the slot was withdrawn.
func (a *Arena) takePlace(from slotStatus) (life uint32, ok bool) {
	s := &a.slots[a.self.Slot()]
	if !s.cas(from, makeStatus(alive, from.owner(), from.gen())) || a.isCondemned(a.self) {
		return 0, false
	}
	return s.watchThread(), true
}

// keepLife writes this process's life word again if somebody overwrote it. The
// kernel marks only a word that names the thread.
func (s *slot) keepLife(life uint32) {
	if s.life.Load() != life {
		step()
		s.life.Store(life)
	}
}

// What a guardian found when it looked at the others.
type neighbours uint8

const (
	noneThere  neighbours = iota // all other slots are vacant
	allQuiet                     // and none of them may have died
	someMarked                   // at least one may have died, or has and is not buried
)

// nextLook is when to look around: never, if there is nobody. Who joins says so.
func nextLook(found neighbours, woken bool) (deadline int64) {
	switch {
	case found == noneThere:
		return 0
	case found == someMarked || woken:
		return sys.Monotonic() + int64(lookSoon)
	}
	return sys.Monotonic() + int64(lookLater)
}

// watch looks at the slots of all others, has those investigated that may have
// died, and appends the life words to sleep on.
func (a *Arena) watch(words []sys.Futex) (_ []sys.Futex, found neighbours) {
	me := a.self.Slot()
	watched := 0
	for n := 1; n < len(a.slots); n++ {
		at := (me + n) % len(a.slots)
		s := &a.slots[at]
		st := s.load()
		if st.phase() == vacant {
			continue
		}
		found = max(found, allQuiet)
		if st.phase() == reserved {
			continue
		}
		life := s.life.Load()
		switch {
		case st.phase() == dead || life&lifeDied != 0:
			found = someMarked
			a.investigate(makeIncarnation(at, st.gen()))
		case watched == watchLimit:
		case life == 0:
			watched++
			a.investigate(makeIncarnation(at, st.gen()))
		default:
			watched++
			words = append(words, sys.Futex{Word: &s.life, Val: life})
		}
	}
	return words, found
}

// suspects are the incarnations under investigation in this process, or expected to die.
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

// Expect says that this process waits for the end of its child i, by the child's pidfd,
// and will Bury it then. Its guardian, when woken by the child's mark, need not look for
// the same proof a second time: that would be in the way of who waits for the first.
func (a *Arena) Expect(i Incarnation) { a.suspects.begin(i) }

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
// could find that out. It cannot from another pid namespace, or without /proc;
// there the parent, who has the process's pidfd from birth, is the one to tell.
func (a *Arena) prove(i Incarnation) bool {
	if !a.Alive(i) {
		return true
	}
	s := &a.slots[i.Slot()]
	namespace, _ := s.namespace.get(i.Generation())
	pid := s.processID(i.Generation())
	started, described := s.started.get(i.Generation())
	if !described || namespace == 0 || namespace != ownNamespace() {
		return false
	}
	pidfd, err := sys.PidfdOpen(pid)
	if err != nil {
		// A number that now belongs to another process's thread is no process, either.
		return errors.Is(err, syscall.ESRCH) || recycled(pid, started)
	}
	defer func() { _ = pidfd.Close() }()
	return recycled(pid, started) || sys.AwaitExit(pidfd) == nil
}

// recycled reports whether the pid has been given to another process since; then
// ours is gone. It is asked after the pidfd was opened. Where start times cannot
// be read, the end of whoever the pidfd names proves as much, only later.
func recycled(pid int, started uint64) bool {
	now := startTime(pid)
	return started != 0 && now != 0 && now != started
}
