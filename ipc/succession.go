package ipc

import (
	"time"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// The times of fairness. A leader becomes heir after the first, as in Go's
// sync.Mutex: late enough for the hand-over, which costs two context switches, to
// be rare. The second is how long the others leave to an heir what it does not
// come for: it may be stopped, and they must not wait for a stopped process that
// owns nothing.
//
// Measured with an owner that takes it again at once and holds it for 3 ms each
// time: a sleeper is overtaken at most twice on two idle CPUs, at most nine times
// on one, or on busy ones.
const (
	heirAfter = time.Millisecond
	deference = 5 * time.Millisecond
)

// A succession is one goroutine's part in the succession to what somebody has: a
// lock, a permit. A running goroutine may overtake those that sleep, because what
// is handed to a sleeper lies idle until that has woken up. But who has waited for
// too long becomes the heir, and then nobody else takes it before.
//
// heir is a word in shared memory: the incarnation of the process whose leader has
// waited for too long, 0 if there is none. It is written by that leader; and by
// anybody, to 0, if the heir is dead or has not come in time. That the heir looks
// at what it waits for after it has become heir, and that whoever gives it up
// looks for an heir afterwards, is the object's affair.
type succession struct {
	heir *shared.Uint32
	me   uint32
	d    Domain
	gate *gate // where the goroutine waits
	rude bool  // takes at once what is kept for an heir

	since time.Duration // of started: the first announcement
	mine  bool          // has made this process the heir
	until time.Duration // of started: the end of deference to another heir
}

// hurry makes this process the heir if its leader has waited for too long. The
// leader calls it before each attempt that may be followed by sleep.
func (s *succession) hurry() {
	now := elapsed()
	switch {
	case s.since == 0:
		s.since = now
	case !s.mine && now-s.since >= heirAfter:
		s.mine = s.heir.CompareAndSwap(0, s.me)
	}
}

// entitled reports whether the caller may take what is there, be it kept for the
// heir, whom it returns. It is asked after the caller has seen that it is there.
func (s *succession) entitled(leader bool) (may bool, heir uint32) {
	heir = s.heir.Load()
	switch i := shm.Incarnation(heir); {
	case i == shm.Nobody, s.rude:
		return true, heir
	case heir == s.me:
		return leader, heir
	case !i.Valid(), !s.d.Alive(i):
		s.heir.CompareAndSwap(heir, 0)
		return true, heir
	}
	return leader && s.deferred(heir), heir
}

// deferred reports whether the caller has left it to the heir for long enough. The
// first time it sees to it that it will be asked again in time.
func (s *succession) deferred(heir uint32) bool {
	now := elapsed()
	if s.until == 0 {
		s.until = now + deference
		afterFunc(deference, s.gate.ring)
		return false
	}
	if now < s.until {
		return false
	}
	s.heir.CompareAndSwap(heir, 0)
	return true
}

// taken says that somebody has it, so that there is nothing to leave to the heir.
func (s *succession) taken() { s.until = 0 }

// resign ends being the heir, and reports whether the caller was it.
func (s *succession) resign() bool {
	was := s.mine
	if s.mine = false; was {
		s.heir.CompareAndSwap(s.me, 0)
	}
	return was
}
