package succession

import (
	"errors"

	"github.com/mpgo/mp"
)

// The props are one object of each kind, and what the locks protect.
type props struct {
	Mutex     *mp.Mutex
	RWMutex   *mp.RWMutex
	RLock     *mp.RLock
	Semaphore *mp.Semaphore
	Bounded   *mp.BoundedSemaphore
	Event     *mp.Event
	Cond      *mp.Cond // of Mutex
	Barrier   *mp.Barrier
	Once      *mp.Once
	Value     *mp.Value[account]
	Array     *mp.Array[int64] // see below
}

// Elements of the array. The first two are raised together by whoever has a lock,
// so that they are equal except in the middle of that.
const (
	left, right = 0, 1
	turn        = 2 // the number of the round whose waiters may go on, of Cond
	booked      = 3 // how many changes of Value are known to be done
	elements    = 4
)

// parties is one more than there ever are at the barrier: it only ends by breaking.
const parties = 4

func newProps() (p props, err error) {
	var errs [11]error
	p.Mutex, errs[0] = mp.NewMutex()
	p.RWMutex, errs[1] = mp.NewRWMutex()
	p.RLock, errs[2] = mp.NewRLock()
	p.Semaphore, errs[3] = mp.NewSemaphore(1)
	p.Bounded, errs[4] = mp.NewBoundedSemaphore(1)
	p.Event, errs[5] = mp.NewEvent()
	p.Barrier, errs[6] = mp.NewBarrier(parties)
	p.Once, errs[7] = mp.NewOnce()
	p.Value, errs[8] = mp.NewValue(account{})
	p.Array, errs[9] = mp.NewArray[int64](elements)
	if errs[0] == nil {
		p.Cond, errs[10] = mp.NewCond(p.Mutex)
	}
	return p, errors.Join(errs[:]...)
}

// free gives all handles back.
func (p props) free() error {
	return errors.Join(p.Mutex.Free(), p.RWMutex.Free(), p.RLock.Free(), p.Semaphore.Free(), p.Bounded.Free(),
		p.Event.Free(), p.Cond.Free(), p.Barrier.Free(), p.Once.Free(), p.Value.Free(), p.Array.Free())
}

// raise is what a lock protects: it must happen as a whole.
func (p props) raise() {
	p.Array.Set(left, p.Array.At(left)+1)
	p.Array.Set(right, p.Array.At(right)+1)
}

// half is the first half of raise.
func (p props) half() { p.Array.Set(left, p.Array.At(left)+1) }

// repair makes a half raise undone.
func (p props) repair() error {
	p.Array.Set(left, p.Array.At(right))
	return nil
}

// An account has many words that belong together.
type account struct {
	Serial  int64
	Entries [9]int64
	Sum     int64
}

// book makes the next account.
func (a *account) book() {
	a.Serial++
	a.Sum = 0
	for i := range a.Entries {
		a.Entries[i] = a.Serial * int64(i+1)
		a.Sum += a.Entries[i]
	}
}

// sound reports whether a is what so many bookings make, and no mix.
func (a account) sound() bool {
	want := account{Serial: a.Serial - 1}
	want.book()
	return a == want || a == account{}
}
