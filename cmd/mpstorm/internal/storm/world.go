package storm

import (
	"errors"
	"reflect"

	"github.com/mpgo/mp"
)

// A World is what the crew works with for one watch: shared objects, at least one of
// each kind. It is made anew for the next.
type World struct {
	Mutex        *mp.Mutex
	MutexBank    Bank
	Careless     *mp.Mutex // made with IgnoreOwnerDeath
	CarelessBank Bank
	RWMutex      *mp.RWMutex
	RWBank       Bank
	RLock        *mp.RLock
	RBank        Bank
	ArrayBank    Bank

	Entry Count[Entry]
	Count Count[int64]

	Semaphore *mp.Semaphore
	Bounded   *mp.BoundedSemaphore

	Barrier  *mp.Barrier
	Meetings *mp.Array[int64]
	Event    *mp.Event
	Onces    []*mp.Once
	Done     *mp.Array[int64]

	Cond  *mp.Cond
	Stock *mp.Array[int64]

	Bounded8 Line[Message]
	Growing  Line[Message]
	Leased   Line[Message]
	Leases   *mp.Array[int64] // the life that has a message on lease, by its number
	Large    Line[[]byte]
	Parcels  Line[Parcel]
}

// capacity of the queues that do not grow.
const capacity = 8

func newWorld() (w *World, err error) {
	w = new(World)
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	w.Mutex = built(mp.NewMutex())(note)
	w.Careless = built(mp.NewMutex(mp.IgnoreOwnerDeath()))(note)
	w.RWMutex = built(mp.NewRWMutex())(note)
	w.RLock = built(mp.NewRLock())(note)
	for _, b := range []*Bank{&w.MutexBank, &w.CarelessBank, &w.RWBank, &w.RBank, &w.ArrayBank} {
		*b = built(newBank())(note)
	}
	w.Entry = built(newCount(Entry{}))(note)
	w.Count = built(newCount(int64(0)))(note)
	w.Semaphore = built(mp.NewSemaphore(permits))(note)
	w.Bounded = built(mp.NewBoundedSemaphore(permits))(note)
	w.Barrier = built(mp.NewBarrier(parties))(note)
	w.Meetings = built(mp.NewArray[int64](meetings))(note)
	w.Event = built(mp.NewEvent())(note)
	for range onces {
		w.Onces = append(w.Onces, built(mp.NewOnce())(note))
	}
	w.Done = built(mp.NewArray[int64](onces * doneWords))(note)
	w.Stock = built(mp.NewArray[int64](stockWords))(note)
	w.Bounded8 = built(newLine[Message](capacity))(note)
	w.Growing = built(newLine[Message](0))(note)
	w.Leased = built(newLine[Message](capacity))(note)
	w.Leases = built(mp.NewArray[int64](1 + entries))(note)
	w.Large = built(newLine[[]byte](capacity))(note)
	w.Parcels = built(newLine[Parcel](capacity))(note)
	if err := errors.Join(errs...); err != nil {
		return w, err
	}
	m, err := mp.NewMutex()
	if err != nil {
		return w, err
	}
	w.Cond, err = mp.NewCond(m)
	return w, errors.Join(err, m.Free()) // the Cond keeps it
}

// built passes a new object on, and its error to note.
func built[T any](object T, err error) func(note func(error)) T {
	return func(note func(error)) T {
		note(err)
		return object
	}
}

// free gives all handles back.
func (w *World) free() error { return freeAll(reflect.ValueOf(*w)) }

// freeAll frees all handles in v: a struct, a slice, or a handle.
func freeAll(v reflect.Value) (err error) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			err = errors.Join(err, freeAll(v.Field(i)))
		}
	case reflect.Slice:
		for i := range v.Len() {
			err = errors.Join(err, freeAll(v.Index(i)))
		}
	case reflect.Pointer:
		return v.Interface().(interface{ Free() error }).Free()
	}
	return err
}
