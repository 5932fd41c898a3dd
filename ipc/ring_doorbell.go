package ipc

import (
	"math"
	"math/bits"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
)

// A doorbell is how processes sleep until something happens that others do, such
// that those need no system call, and no more than a look at a word that hardly
// ever changes, as long as nobody sleeps.
//
//	0  rung      4  counts rings; sleepers sleep on it; written by wakers
//	8  sleepers  8  bits 63..32  calls: counts announcements; written by sleepers
//	                bits 31..0   answered: everybody who announced up to this count
//	                             is known not to sleep; written by wakers
//
// Sleeper (through a gate, one for each process), in this order:
//
//	(1) v = rung   (2) calls++   (3) look whether it happened   (4) sleep while rung == v
//
// Waker, after it published what happened with a sequentially consistent store:
//
//	(a) s = sleepers; nobody if calls == answered   (b) rung++   (c) wake n
//	(d) if fewer than n slept: CAS sleepers s → {calls of s, answered = calls of s}
//
// Why nobody is slept over: if (a) comes before (2), then so does the publishing,
// and (3) sees it. Otherwise the waker reads calls != answered, unless another
// waker set answered in (d) to a count that includes this sleeper's call. That
// one read calls in its (a) after (2), so after (1), and rang in (b) after that:
// the sleeper's v is outdated and (4) does not sleep, unless it slept already when
// (c) came, which would have woken it.
//
// Why calls is a count and no flag: clearing a flag in (d) would also clear the
// announcement of one who came between (c) and (d).
//
// A kill of the sleeper leaves calls != answered, which costs the next waker one
// system call. A kill of the waker between publishing and (c) is made up for by
// the death epoch. A waker that is stopped there holds up only the wake-up for
// what it has published itself: the next waker sees the same calls.
type doorbell struct {
	rung     shared.Uint32
	_        uint32
	sleepers shared.Uint64
}

// awaited reports whether somebody may sleep.
func (b *doorbell) awaited() bool { return b.unanswered() != 0 }

// unanswered is not 0 if awaited. Who has to look at several doorbells looks at all of them
// in one.
func (b *doorbell) unanswered() uint64 {
	s := b.sleepers.Load()
	return s ^ bits.RotateLeft64(s, 32)
}

// wake wakes up to n sleepers, and reports whether there was one. It comes after the store
// that they wait for.
func (b *doorbell) wake(n int) (woke bool) { return b.awaited() && b.ring(n) }

// wakeAll wakes all sleepers.
func (b *doorbell) wakeAll() { b.ring(math.MaxInt32) }

func (b *doorbell) ring(n int) (woke bool) {
	s := b.sleepers.Load()
	b.rung.Add(1)
	woken := futex.Wake(&b.rung, n)
	if woken < n {
		b.sleepers.CompareAndSwap(s, s&^math.MaxUint32|s>>32)
	}
	return woken > 0
}

// A vigil is the announcements of one waiting operation at one doorbell.
type vigil struct {
	bell        *doorbell
	kept        bool   // something was announced
	first, last uint32 // an unbroken run of calls, all of this vigil
}

// announce comes before the attempt that decides whether to sleep, and returns
// the value of rung to sleep on.
func (v *vigil) announce() uint32 {
	rung := v.bell.rung.Load()
	call := uint32(v.bell.sleepers.Add(1<<32) >> 32)
	if !v.kept || call != v.last+1 {
		v.first = call
	}
	v.kept, v.last = true, call
	return rung
}

// end takes the announcements back if no others are unanswered, to save the next
// waker a system call. Nobody of this vigil sleeps any more.
func (v *vigil) end() {
	if v.kept {
		mine := uint64(v.last) << 32
		v.bell.sleepers.CompareAndSwap(mine|uint64(v.first-1), mine|uint64(v.last))
	}
}
