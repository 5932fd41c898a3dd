package mp

import (
	"context"
	"errors"
)

// A scene is the objects that a feat is about; the others are nil.
type scene struct {
	Mutex       *Mutex
	RW          *RWMutex
	RLock       *RLock
	Once        *Once
	Sem         *Semaphore
	Bounded     *BoundedSemaphore
	Event       *Event
	Cond        *Cond
	Barrier     *Barrier
	Value       *Value[ledger]
	Small       *Value[int64]
	Counts      *Array[int64] // see count…
	Queue       *Queue[int64]
	Letters     *Queue[[]byte]
	Values      *Queue[*Value[int64]]
	Ends        *Queue[*Conn[int64]]
	Dead        *Queue[int64] // its dead letters
	DeadLetters *Queue[[]byte]
	DeadValues  *Queue[*Value[int64]]
	End         *Conn[int64] // the victim's, as the next
	LongEnd     *Conn[[]byte]
	File        *File // the writing end of a pipe
}

// What is counted in a scene.
const (
	countInside     = iota // who has the lock
	countRecovered         // who has recovered it
	countDone              // what was to be done once
	countGot               // what the witness got
	countSent              // how many messages were sent
	countClosed            // whether the end of what comes was due to its closing
	countSendClosed        // the same of what goes
)

// free gives the handles back.
func (s *scene) free() {
	freeIfAny(s.Mutex)
	freeIfAny(s.RW)
	freeIfAny(s.RLock)
	freeIfAny(s.Once)
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
	freeIfAny(s.Values)
	freeIfAny(s.Ends)
	freeIfAny(s.Dead)
	freeIfAny(s.DeadLetters)
	freeIfAny(s.DeadValues)
	freeIfAny(s.File)
}

func freeIfAny[T any, P interface {
	*T
	freer
}](handle P) {
	if handle != nil {
		_ = handle.Free()
	}
}

// A lock is what a process has alone; if it dies then, the lock is to be recovered.
type lock interface {
	Lock(ctx context.Context) error
	Unlock() error
	Recover(ctx context.Context, repair func() error) error
}

// lock is the scene's.
func (s *scene) lock() lock {
	switch {
	case s.RW != nil:
		return s.RW
	case s.RLock != nil:
		return struct {
			*Holder
			*RLock
		}{s.RLock.Holder(), s.RLock}
	default:
		return s.Mutex
	}
}

// turn has the lock once, and whatever its last owner left.
func (s *scene) turn(ctx context.Context) error {
	l := s.lock()
	if err := s.take(ctx, l); err != nil {
		return err
	}
	n := AddAt(s.Counts, countInside, 1)
	AddAt(s.Counts, countInside, -1)
	return errors.Join(equal(1, int(n)), l.Unlock())
}

func (s *scene) take(ctx context.Context, l lock) error {
	err := l.Lock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		err = l.Recover(ctx, func() error {
			AddAt(s.Counts, countRecovered, 1)
			return nil
		})
		if err == nil || errors.Is(err, ErrHealthy) {
			err = l.Lock(ctx)
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
