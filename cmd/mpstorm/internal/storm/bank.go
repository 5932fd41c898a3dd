package storm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mpgo/mp"
)

// A Bank is accounts that a lock protects. Money moves between them and never becomes
// more or less, whoever is killed in the middle: the journal tells what to undo. Its
// words, and those of the accounts behind it, are only touched with the lock held.
type Bank = *mp.Array[int64]

const (
	teller = iota // the life that had the lock last
	open          // the life that is in the middle of a transfer, or 0: the journal counts
	debtor        // the accounts of that transfer, and what they had before
	debtorHad
	creditor
	creditorHad
	balances // the first of the accounts
)

const (
	accounts = 8
	deposit  = 1000 // of each account, at first
)

func newBank() (Bank, error) {
	b, err := mp.NewArray[int64](balances + accounts)
	if err == nil {
		found(b)
	}
	return b, err
}

func found(b words) {
	for i := range accounts {
		b.Set(balances+i, deposit)
	}
}

// words are an array's elements, also while a function of Update has them.
type words interface {
	At(int) int64
	Set(int, int64)
}

// raw are elements as Update hands them out.
type raw []int64

func (r raw) At(i int) int64     { return r[i] }
func (r raw) Set(i int, v int64) { r[i] = v }

// enter checks, right after the lock was got, that nobody else is within, and that
// nobody died within without the lock saying so.
func (h *hand) enter(b words) error {
	if who := b.At(open); who != 0 {
		return fmt.Errorf("life %d has the lock, and life %d is in the middle of a transfer", h.life, who)
	}
	b.Set(teller, h.life)
	return nil
}

// transfer moves money between two accounts.
func (h *hand) transfer(b words) error {
	if err := h.enter(b); err != nil {
		return err
	}
	from, to := balances+h.rng.IntN(accounts), balances+h.rng.IntN(accounts)
	amount := h.rng.Int64N(deposit)
	b.Set(debtor, int64(from))
	b.Set(debtorHad, b.At(from))
	b.Set(creditor, int64(to))
	b.Set(creditorHad, b.At(to))
	b.Set(open, h.life)
	b.Set(from, b.At(from)-amount)
	h.dawdle()
	b.Set(to, b.At(to)+amount)
	if b.At(teller) != h.life || b.At(open) != h.life {
		return fmt.Errorf("life %d has the lock, and life %d came in", h.life, b.At(teller))
	}
	b.Set(open, 0)
	return nil
}

// undo is the repair after a death.
func undo(b words) error {
	if b.At(open) == 0 {
		return nil
	}
	b.Set(int(b.At(creditor)), b.At(creditorHad))
	b.Set(int(b.At(debtor)), b.At(debtorHad))
	b.Set(open, 0)
	return balanced(b)
}

// balanced is an error if money was lost or made.
func balanced(b words) error {
	sum := int64(0)
	for i := range accounts {
		sum += b.At(balances + i)
	}
	if sum != accounts*deposit || b.At(open) != 0 {
		return fmt.Errorf("the accounts have %d in all, and %d is due; open transfer of life %d", sum, accounts*deposit, b.At(open))
	}
	return nil
}

// A door is a lock that a bank is behind.
type door struct {
	clock   int
	lock    func(context.Context) error
	try     func() (bool, error)
	unlock  func() error
	recover func(context.Context, func() error) error
}

// locked locks, in one way or the other, and has what dead owners left repaired.
func (h *hand) locked(d door, repair func() error, dead func() int64) error {
	began := time.Now()
	err := h.lock(d)
	for errors.Is(err, mp.ErrOwnerDied) {
		now := time.Now()
		err = d.recover(h.ctx, func() error {
			h.logs.recovered(d.clock, dead(), began, now)
			return repair()
		})
		if err == nil || errors.Is(err, mp.ErrHealthy) {
			err = h.lock(d)
		}
	}
	return err
}

func (h *hand) lock(d door) error {
	if d.try == nil || !h.chance(8) {
		return h.waits(d.lock)
	}
	ok, err := d.try()
	if err == nil && !ok {
		err = errPassed
	}
	return err
}

// behind does something with a bank behind a door.
func (h *hand) behind(d door, b Bank, f func(words) error) error {
	err := h.locked(d, func() error { return undo(b) }, func() int64 { return b.At(teller) })
	if err != nil {
		return err
	}
	return worst(f(b), d.unlock())
}

func mutexDoor(m *mp.Mutex) door {
	return door{clockMutex, m.Lock, m.TryLock, m.Unlock, m.Recover}
}

func writerDoor(m *mp.RWMutex) door {
	return door{clockRWMutex, m.Lock, m.TryLock, m.Unlock, m.Recover}
}

func readerDoor(m *mp.RWMutex) door {
	return door{clockRWMutex, m.RLock, m.TryRLock, m.RUnlock, m.Recover}
}

func holderDoor(l *mp.RLock, h *mp.Holder) door {
	return door{clockRLock, h.Lock, h.TryLock, h.Unlock, l.Recover}
}

func arrayDoor(a Bank, f func(words) error) door {
	return door{
		clock:  clockArray,
		lock:   func(ctx context.Context) error { return updated(ctx, a, f) },
		unlock: func() error { return nil },
		recover: func(ctx context.Context, repair func() error) error {
			return a.Recover(ctx, func([]int64) error { return repair() })
		},
	}
}

// updated calls f with the elements, and returns its error, too.
func updated(ctx context.Context, a Bank, f func(words) error) error {
	var inside error
	err := a.Update(ctx, func(elements []int64) { inside = f(raw(elements)) })
	return worst(err, inside)
}

// A careless bank's lock tells nobody of a death: whoever comes next looks for it.
func (h *hand) careless(b words) error {
	if who := b.At(open); who != 0 {
		if _, dead := h.logs.killed(who); !dead {
			return fmt.Errorf("life %d has the lock, and life %d, which is alive, is in the middle of a transfer", h.life, who)
		}
		if err := undo(b); err != nil {
			return err
		}
	}
	return h.transfer(b)
}

const burst = 100

var bankActs = []act{
	{
		name: "Mutex", weight: 20,
		do: func(h *hand) error {
			return h.several(burst, func() error { return h.behind(mutexDoor(h.world.Mutex), h.world.MutexBank, h.transfer) })
		},
		audit: func(h *hand, _ tally) error {
			return errors.Join(
				h.behind(mutexDoor(h.world.Mutex), h.world.MutexBank, balanced),
				unheld("Mutex", h.world.Mutex.Locked()))
		},
	},
	{
		name: "Mutex, careless", weight: 10,
		do: func(h *hand) error {
			return h.several(burst, func() error { return h.behind(mutexDoor(h.world.Careless), h.world.CarelessBank, h.careless) })
		},
		audit: func(h *hand, _ tally) error {
			return errors.Join(
				h.behind(mutexDoor(h.world.Careless), h.world.CarelessBank, func(b words) error {
					return errors.Join(h.careless(b), balanced(b))
				}),
				unheld("Mutex", h.world.Careless.Locked()))
		},
	},
	{
		name: "RWMutex", weight: 20,
		do: func(h *hand) error {
			return h.several(burst, func() error {
				if h.chance(3) {
					return h.behind(writerDoor(h.world.RWMutex), h.world.RWBank, h.transfer)
				}
				return h.behind(readerDoor(h.world.RWMutex), h.world.RWBank, balanced)
			})
		},
		audit: func(h *hand, _ tally) error {
			return errors.Join(
				h.behind(writerDoor(h.world.RWMutex), h.world.RWBank, balanced),
				unheld("RWMutex", h.world.RWMutex.Locked()),
				equal("readers", h.world.RWMutex.Readers(), 0))
		},
	},
	{
		name: "RLock", weight: 10,
		do: func(h *hand) error {
			d := holderDoor(h.world.RLock, h.world.RLock.Holder())
			return h.several(burst, func() error {
				return h.behind(d, h.world.RBank, func(b words) error {
					return worst(h.transfer(b), h.behind(d, h.world.RBank, balanced))
				})
			})
		},
		audit: func(h *hand, _ tally) error {
			d := holderDoor(h.world.RLock, h.world.RLock.Holder())
			return errors.Join(h.behind(d, h.world.RBank, balanced), unheld("RLock", h.world.RLock.Locked()))
		},
	},
	{
		name: "Array.Update", weight: 10,
		do: func(h *hand) error {
			return h.several(burst, func() error {
				b := h.world.ArrayBank
				return h.behind(arrayDoor(b, h.transfer), b, func(words) error { return nil })
			})
		},
		audit: func(h *hand, _ tally) error {
			b := h.world.ArrayBank
			return h.behind(arrayDoor(b, balanced), b, func(words) error { return nil })
		},
	},
}

func equal(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: %d, where %d is due", what, got, want)
	}
	return nil
}

func unheld(what string, held bool) error {
	if held {
		return fmt.Errorf("the %s is held, and nobody is in", what)
	}
	return nil
}
