package mp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Value is one variable of plain type T in shared memory. It may be sent to
// other processes, in arguments, results and messages, and is the same variable
// there. It must not be copied.
//
// Reading and writing are whole: nobody ever sees a mix of two writes, also when
// a writer is killed in the middle. A T of up to 8 bytes is one atomic word;
// a larger one has two copies, of which one is always complete.
//
// In the terms of Go's memory model, its methods are like those of sync/atomic: a
// change synchronizes before each operation that sees it.
//
// Python: Value, with its lock built in.
type Value[T any] struct {
	handle[store[T], values[T]]
}

// values describes the blocks of Values.
type values[T any] struct{}

func (values[T]) what() string   { return "Value" }
func (values[T]) kind() shm.Kind { return kindValue }
func (values[T]) typ() uint32    { return shm.TypeHash(reflect.TypeFor[T]()) }

func (values[T]) open(o *shm.Object) (store[T], error) {
	if n := shm.SizeOf[T](); n > shm.WordSize {
		return &cellStore[T]{cell: ipc.NewCell(o.Arena(), o.Bytes(), n)}, nil
	}
	words := shm.At[valueWords](o.Bytes(), 0)
	lock := ipc.NewMutex(o.Arena(), &words.lock, ipc.IgnoreOwnerDeath())
	return &wordStore[T]{word: &words.value, lock: lock}, nil
}

// A store is how a Value's bytes are kept.
type store[T any] interface {
	load() T
	update(ctx context.Context, f func(*T)) error
	compareAndSwap(old, new T) (bool, error)
}

// NewValue makes a Value that holds v. T must be plain: a number, a bool, or an
// array or struct of such; ErrNotPlain, with the path to the part, otherwise.
func NewValue[T any](v T) (*Value[T], error) {
	if err := plain[T]("Value"); err != nil {
		return nil, err
	}
	obj, err := create(values[T]{}, valueSize[T]())
	if err != nil {
		return nil, err
	}
	value := new(Value[T])
	if err := value.bind(obj); err != nil {
		return nil, err
	}
	return value, value.Store(v)
}

// plain reports why T cannot live in shared memory, if so.
func plain[T any](what string) error {
	t := reflect.TypeFor[T]()
	if err := shm.CheckPlain(t); err != nil {
		return fmt.Errorf("mp: %s[%v]: %w", what, t, err)
	}
	return nil
}

func valueSize[T any]() int {
	if n := shm.SizeOf[T](); n > shm.WordSize {
		return ipc.CellSize(n)
	}
	return wordValueSize
}

// Load returns the value. It never waits for a writer. A freed Value's is zero.
func (v *Value[T]) Load() T {
	var none T
	if !v.usable() {
		return none
	}
	value := v.view.load()
	runtime.KeepAlive(v)
	return value
}

// Store replaces the value.
func (v *Value[T]) Store(value T) error {
	return v.Update(context.Background(), func(p *T) { *p = value })
}

// Swap replaces the value and returns the one before.
func (v *Value[T]) Swap(value T) (old T, err error) {
	err = v.Update(context.Background(), func(p *T) { old, *p = *p, value })
	return old, err
}

// CompareAndSwap replaces the value if it is equal to old, and reports whether it
// did.
func (v *Value[T]) CompareAndSwap(old, new T) (bool, error) {
	if !v.usable() {
		return false, v.unusable()
	}
	ok, err := v.view.compareAndSwap(old, new)
	runtime.KeepAlive(v)
	return ok, err
}

// Update calls f with the value and replaces it by what f made of it. Updates of
// all processes run one after the other. All or nothing: if the process is
// killed, at whatever instruction, the others see the value from before or the
// one after, and go on at once. f may run again if somebody used Add or
// CompareAndSwap meanwhile, so it must change nothing but its argument. It must
// not use the Value itself.
//
// Python: with v.get_lock(): v.value += 1.
func (v *Value[T]) Update(ctx context.Context, f func(*T)) error {
	if !v.usable() {
		return v.unusable()
	}
	err := v.view.update(ctx, f)
	runtime.KeepAlive(v)
	return err
}

// String is the value.
func (v *Value[T]) String() string {
	if !v.usable() {
		return "Value (freed)"
	}
	return fmt.Sprint(v.Load())
}

// Free gives this handle back; it cannot be used any more.
func (v *Value[T]) Free() error { return v.free() }

// valueWords is the block of a Value of up to 8 bytes.
type valueWords struct {
	value atomic.Uint64
	lock  ipc.MutexState // of Update
}

const wordValueSize = 16

// wordStore is a Value in one word: each change is one CAS. The lock keeps
// Updates from repeating each other's work; the truth is the word.
type wordStore[T any] struct {
	edge race.Edge // from a change to who sees it
	word *atomic.Uint64
	lock *ipc.Mutex
}

func (s *wordStore[T]) load() T {
	v := shm.FromWord[T](s.word.Load())
	if race.Enabled {
		s.edge.Acquire()
	}
	return v
}

func (s *wordStore[T]) update(ctx context.Context, f func(*T)) error {
	return s.lock.With(ctx, func() error {
		for {
			old := s.word.Load()
			if race.Enabled {
				s.edge.Acquire()
			}
			v := shm.FromWord[T](old)
			f(&v)
			if race.Enabled {
				s.edge.Release()
			}
			if s.word.CompareAndSwap(old, shm.Word(v)) {
				if race.Enabled {
					s.edge.Acquire() // the word may have been another in between
				}
				return nil
			}
		}
	})
}

func (s *wordStore[T]) compareAndSwap(old, new T) (bool, error) {
	for {
		w := s.word.Load()
		if any(shm.FromWord[T](w)) != any(old) {
			if race.Enabled {
				s.edge.Acquire()
			}
			return false, nil
		}
		if race.Enabled {
			s.edge.Release()
		}
		if s.word.CompareAndSwap(w, shm.Word(new)) {
			if race.Enabled {
				s.edge.Acquire()
			}
			return true, nil
		}
	}
}

// Close closes this process's view.
func (s *wordStore[T]) Close() error { return s.lock.Close() }

// cellStore is a Value in an ipc.Cell.
type cellStore[T any] struct{ cell *ipc.Cell }

func (s *cellStore[T]) load() (v T) {
	s.cell.Load(shm.Bytes(&v))
	return v
}

func (s *cellStore[T]) update(ctx context.Context, f func(*T)) error {
	var v T
	return s.cell.Replace(ctx, shm.Bytes(&v), func() error {
		f(&v)
		return nil
	})
}

func (s *cellStore[T]) compareAndSwap(old, new T) (swapped bool, err error) {
	var v T
	err = s.cell.Replace(context.Background(), shm.Bytes(&v), func() error {
		if any(v) != any(old) {
			return errUnequal
		}
		v = new
		return nil
	})
	if err == errUnequal {
		return false, nil
	}
	return err == nil, err
}

// errUnequal ends a compareAndSwap without a change. It never leaves the package.
var errUnequal = errors.New("unequal")

// Close closes this process's view.
func (s *cellStore[T]) Close() error { return s.cell.Close() }

// Integer is any integer type.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Add adds delta to v and returns the sum. It waits for nobody, and is done once
// or not at all, also if the process is killed.
func Add[T Integer](v *Value[T], delta T) (T, error) {
	if !v.usable() {
		return 0, v.unusable()
	}
	s := v.view.(*wordStore[T])
	if race.Enabled {
		s.edge.Release()
	}
	for {
		old := s.word.Load()
		sum := shm.FromWord[T](old) + delta
		if s.word.CompareAndSwap(old, shm.Word(sum)) {
			if race.Enabled {
				s.edge.Acquire()
			}
			runtime.KeepAlive(v)
			return sum, nil
		}
	}
}
