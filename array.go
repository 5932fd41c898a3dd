package mp

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// An Array is a slice of plain type T in shared memory. It may be sent to other
// processes, in arguments, results and messages, and is the same memory there,
// whatever its size: nothing is copied. It must not be copied.
//
// Its elements are plain memory. Either processes keep to their own parts of it,
// or they use Update, which holds the array's lock; integers can also be raised
// with AddAt, which needs no lock.
//
// The race detector sees the accesses of this process: At and Set of one element,
// AddAt, and Update as an access to all elements. It does not see those through
// Slice, and not those of other processes.
//
// Python: Array, and RawArray for what Slice returns.
type Array[T any] struct {
	handle[*arrayView[T], arrays[T]]
}

// arrays describes the blocks of Arrays.
type arrays[T any] struct{}

func (arrays[T]) what() string   { return "Array" }
func (arrays[T]) kind() shm.Kind { return kindArray }
func (arrays[T]) typ() uint32    { return shm.TypeHash(reflect.TypeFor[[]T]()) }

func (arrays[T]) open(o *shm.Object) (*arrayView[T], error) {
	b := o.Bytes()
	if len(b) < arrayData {
		return nil, shm.ErrDamaged
	}
	words := shm.At[arrayWords](b, 0)
	n, size := words.n, uint64(shm.SizeOf[T]())
	if room := uint64(len(b) - arrayData); size > 0 && n > room/size {
		return nil, fmt.Errorf("%d elements in %d bytes: %w", n, room, shm.ErrDamaged)
	}
	return &arrayView[T]{
		shadow:   race.NewShadow(int(n), shm.SizeOf[T]()),
		elements: shm.SliceAt[T](b, arrayData, int(n)),
		memory:   b[arrayData:],
		lock:     ipc.NewMutex(o.Arena(), &words.lock),
	}, nil
}

// arrayWords is the beginning of an Array's block; the elements follow it.
type arrayWords struct {
	lock ipc.MutexState
	n    uint64
	_    [arrayData - 16]byte
}

const arrayData = 128

// arrayView is what all handles of a process share.
type arrayView[T any] struct {
	shadow   race.Shadow // of elements
	elements []T
	memory   []byte // of the elements
	lock     *ipc.Mutex
}

// Close closes this process's view.
func (v *arrayView[T]) Close() error { return v.lock.Close() }

// NewArray makes an Array of n zeros. T must be plain: a number, a bool, or an
// array or struct of such; ErrNotPlain, with the path to the part, otherwise.
// The memory is there when NewArray returns: a lack of it is an error that is
// syscall.ENOSPC (shared memory is full) or syscall.ENOMEM (the machine's is),
// and ErrTooLarge if it could never fit.
func NewArray[T any](n int) (*Array[T], error) {
	if err := plain[T]("Array"); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("mp: an Array of %d elements; the length must not be negative", n)
	}
	if size := shm.SizeOf[T](); size > 0 && n > (1<<62)/size {
		return nil, fmt.Errorf("mp: an Array of %d elements of %d bytes: %w", n, size, ErrTooLarge)
	}
	obj, err := create(arrays[T]{}, arrayData+(n*shm.SizeOf[T]()+7)&^7)
	if err != nil {
		return nil, fmt.Errorf("%w (it was to have %d elements)", err, n)
	}
	shm.At[arrayWords](obj.Bytes(), 0).n = uint64(n)
	a := new(Array[T])
	return a, a.bind(obj)
}

// Len is the number of elements.
func (a *Array[T]) Len() int {
	if !a.usable() {
		return 0
	}
	return len(a.view.elements)
}

// At returns element i. Out of range, it panics as a slice does; of a freed
// Array, with an error that is ErrClosed.
func (a *Array[T]) At(i int) T {
	a.mustBeUsable()
	v := a.view.elements[i]
	if race.Enabled {
		a.view.shadow.Read(i)
	}
	runtime.KeepAlive(a)
	return v
}

// Set sets element i. It panics as At does.
func (a *Array[T]) Set(i int, v T) {
	a.mustBeUsable()
	a.view.elements[i] = v
	if race.Enabled {
		a.view.shadow.Write(i)
	}
	runtime.KeepAlive(a)
}

func (a *Array[T]) mustBeUsable() {
	if !a.usable() {
		panic(a.unusable())
	}
}

// Slice is the shared memory itself, valid until Free and as long as a is reachable:
// the slice does not keep a. A deferred a.Free does, and so does runtime.KeepAlive(a)
// behind the last use of the slice. After Free it is nil.
func (a *Array[T]) Slice() []T {
	if !a.usable() {
		return nil
	}
	return a.view.elements
}

// Update calls f with the elements while it holds the array's lock. If a process
// dies in f, what it had written is there; the next Update returns an error that
// is ErrOwnerDied, and so do all until Recover. f must not keep the slice.
func (a *Array[T]) Update(ctx context.Context, f func([]T)) error {
	if !a.usable() {
		return a.unusable()
	}
	err := a.view.lock.With(ctx, func() error {
		if race.Enabled {
			a.view.shadow.WriteAll()       // conflicts with what is not before f
			defer a.view.shadow.WriteAll() // conflicts with what is not after f
		}
		f(a.view.elements)
		return nil
	})
	runtime.KeepAlive(a)
	if err != nil {
		return a.tell("update", err)
	}
	return nil
}

// Recover repairs what a process left that died in Update: it calls repair with
// the elements while it holds the lock. If repair fails, the state stays. On an
// array that needs no repair it is ErrHealthy.
func (a *Array[T]) Recover(ctx context.Context, repair func([]T) error) error {
	if !a.usable() {
		return a.unusable()
	}
	err := a.view.lock.Recover(ctx, func() error {
		if race.Enabled {
			a.view.shadow.WriteAll()
			defer a.view.shadow.WriteAll()
		}
		return repair(a.view.elements)
	})
	runtime.KeepAlive(a)
	if err != nil {
		return a.tell("recover", err)
	}
	return nil
}

// AddAt adds delta to element i and returns the sum. It waits for nobody, and is
// done once or not at all, also if the process is killed. It panics as At does.
func AddAt[T Integer](a *Array[T], i int, delta T) T {
	a.mustBeUsable()
	_ = a.view.elements[i]
	if race.Enabled {
		a.view.shadow.BeginAtomic(i)
	}
	sum := addInMemory(a.view.memory, i, delta)
	if race.Enabled {
		a.view.shadow.EndAtomic(i)
	}
	runtime.KeepAlive(a)
	return sum
}

// addInMemory is an atomic add to the integer with index i. Those of 4 and 8
// bytes are words of their own; smaller ones are a part of one.
func addInMemory[T Integer](memory []byte, i int, delta T) T {
	size := shm.SizeOf[T]()
	if size == 8 {
		return T(shm.At[atomic.Uint64](memory, i*8).Add(uint64(delta)))
	}
	offset := i * size
	word := shm.At[atomic.Uint32](memory, offset&^3)
	for {
		var sum T
		old := word.Load()
		bytes := old
		part := shm.Bytes(&bytes)[offset&3:][:size]
		shm.Get(part, &sum)
		sum += delta
		shm.Put(part, &sum)
		if word.CompareAndSwap(old, bytes) {
			return sum
		}
	}
}

// String tells the type and length.
func (a *Array[T]) String() string {
	if !a.usable() {
		return "Array (freed)"
	}
	return fmt.Sprintf("Array of %d × %v", a.Len(), reflect.TypeFor[T]())
}

// Free gives this handle back, and with the last one of all processes the
// memory. The handle and its Slice cannot be used any more.
//
// A function that returns an Array, or takes one and does not free it, leaves a handle
// in its process: nobody can know whether it kept it. In a pool's worker that is garbage,
// whose collector is called when 128 MiB of shared memory have come into the process,
// if not before. Until then the memory is there, also when everybody else has freed it.
func (a *Array[T]) Free() error { return a.free() }
