package mp

import (
	"context"
	"errors"
)

// A scene is the objects that a feat is about; the others are nil.
type scene struct {
	Mutex   *Mutex
	Sem     *Semaphore
	Bounded *BoundedSemaphore
	Event   *Event
	Cond    *Cond
	Barrier *Barrier
	Value   *Value[ledger]
	Small   *Value[int64]
	Counts  *Array[int64] // see count…
	Queue   *Queue[int64]
	Letters *Queue[[]byte]
	End     *Conn[int64] // the victim's, as the next
	LongEnd *Conn[[]byte]
}

// What is counted in a scene.
const (
	countInside    = iota // who has the mutex
	countRecovered        // who has recovered it
	countGot              // what the witness got
	countSent             // how many messages were sent
)

// free gives the handles back.
func (s *scene) free() {
	freeIfAny(s.Mutex)
	freeIfAny(s.Sem)
	freeIfAny(s.Bounded)
	freeIfAny(s.Event)
	freeIfAny(s.Cond)
	freeIfAny(s.Barrier)
	freeIfAny(s.Value)
	freeIfAny(s.Small)
	freeIfAny(s.Counts)
	freeIfAny(s.Queue)
	freeIfAny(s.Letters)
}

func freeIfAny[T any, P interface {
	*T
	freer
}](handle P) {
	if handle != nil {
		_ = handle.Free()
	}
}

// turn has the mutex once, and whatever its last owner left.
func (s *scene) turn(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	n := AddAt(s.Counts, countInside, 1)
	AddAt(s.Counts, countInside, -1)
	return errors.Join(equal(1, int(n)), s.Mutex.Unlock())
}

func (s *scene) lock(ctx context.Context) error {
	err := s.Mutex.Lock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		err = s.Mutex.Recover(ctx, func() error {
			AddAt(s.Counts, countRecovered, 1)
			return nil
		})
		if err == nil || errors.Is(err, ErrHealthy) {
			err = s.Mutex.Lock(ctx)
		}
	}
	return err
}

// newly is what was made.
func newly[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}
