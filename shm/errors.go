package shm

import "errors"

var (
	// ErrClosed: the object, handle or segment was closed or freed, or nobody
	// holds it any more.
	ErrClosed = errors.New("closed")

	// ErrNotPlain: a type that cannot live in shared memory, because a part of it
	// is a pointer or has no fixed size.
	ErrNotPlain = errors.New("not a plain type")

	// ErrForeign: a reference of another arena, or to another kind of object.
	ErrForeign = errors.New("not of this arena")

	// ErrTooLarge: more bytes than the arena can ever hold.
	ErrTooLarge = errors.New("too large")

	// ErrProcessTableFull: MaxProcesses processes live in the arena.
	ErrProcessTableFull = errors.New("the process table is full")

	// ErrWithdrawn: the parent gave this process up, or died, before it had joined.
	ErrWithdrawn = errors.New("the parent gave this process up")

	// ErrDamaged: shared memory holds what no process of this library wrote.
	ErrDamaged = errors.New("shared memory is damaged")
)
