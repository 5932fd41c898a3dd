//go:build explore

// Package shared has the words that processes share. In this build, which has the
// tag explore, each access to one asks the explorer first who is to run next; in all
// others they are those of sync/atomic.
package shared

import (
	"sync/atomic"
	"unsafe"

	"github.com/mpgo/mp/internal/explore"
)

// An Int64 is a signed word of 64 bits.
type Int64 struct{ v atomic.Int64 }

// A Uint32 is a word of 32 bits. Processes can sleep on it.
type Uint32 struct{ v atomic.Uint32 }

// A Uint64 is a word of 64 bits.
type Uint64 struct{ v atomic.Uint64 }

// at is the address of a word.
func at[W any](w *W) uintptr {
	// SAFETY: the address is only compared.
	return uintptr(unsafe.Pointer(w))
}

// A number is what a word holds.
type number interface{ int64 | uint32 | uint64 }

// A word is one of sync/atomic.
type word[N number] interface {
	Load() N
	Store(N)
	Swap(N) N
	CompareAndSwap(from, to N) bool
	Add(N) N
	And(N) N
	Or(N) N
}

func load[N number](w word[N], at uintptr) N {
	explore.Before(explore.Load, at)
	v := w.Load()
	explore.After(explore.Load, at, uint64(v), uint64(v))
	return v
}

// change does f, which returns its result, to a word.
func change[N number](w word[N], at uintptr, f func() N) N {
	explore.Before(explore.Store, at)
	v := f()
	explore.After(explore.Store, at, uint64(v), uint64(w.Load()))
	return v
}

func compareAndSwap[N number](w word[N], at uintptr, from, to N) bool {
	return change(w, at, func() N {
		if w.CompareAndSwap(from, to) {
			return 1
		}
		return 0
	}) == 1
}

func store[N number](w word[N], at uintptr, v N) {
	change(w, at, func() N { w.Store(v); return 0 })
}

// Load is that of sync/atomic, as are all of these.
func (w *Int64) Load() int64 { return load(&w.v, at(w)) }

// Store is that of sync/atomic.
func (w *Int64) Store(v int64) { store(&w.v, at(w), v) }

// Swap is that of sync/atomic.
func (w *Int64) Swap(v int64) int64 { return change(&w.v, at(w), func() int64 { return w.v.Swap(v) }) }

// CompareAndSwap is that of sync/atomic.
func (w *Int64) CompareAndSwap(from, to int64) bool { return compareAndSwap(&w.v, at(w), from, to) }

// Add is that of sync/atomic.
func (w *Int64) Add(v int64) int64 { return change(&w.v, at(w), func() int64 { return w.v.Add(v) }) }

// And is that of sync/atomic.
func (w *Int64) And(v int64) int64 { return change(&w.v, at(w), func() int64 { return w.v.And(v) }) }

// Or is that of sync/atomic.
func (w *Int64) Or(v int64) int64 { return change(&w.v, at(w), func() int64 { return w.v.Or(v) }) }

// Load is that of sync/atomic, as are all of these.
func (w *Uint32) Load() uint32 { return load(&w.v, at(w)) }

// Store is that of sync/atomic.
func (w *Uint32) Store(v uint32) { store(&w.v, at(w), v) }

// Swap is that of sync/atomic.
func (w *Uint32) Swap(v uint32) uint32 {
	return change(&w.v, at(w), func() uint32 { return w.v.Swap(v) })
}

// CompareAndSwap is that of sync/atomic.
func (w *Uint32) CompareAndSwap(from, to uint32) bool { return compareAndSwap(&w.v, at(w), from, to) }

// Add is that of sync/atomic.
func (w *Uint32) Add(v uint32) uint32 {
	return change(&w.v, at(w), func() uint32 { return w.v.Add(v) })
}

// And is that of sync/atomic.
func (w *Uint32) And(v uint32) uint32 {
	return change(&w.v, at(w), func() uint32 { return w.v.And(v) })
}

// Or is that of sync/atomic.
func (w *Uint32) Or(v uint32) uint32 { return change(&w.v, at(w), func() uint32 { return w.v.Or(v) }) }

// Load is that of sync/atomic, as are all of these.
func (w *Uint64) Load() uint64 { return load(&w.v, at(w)) }

// Store is that of sync/atomic.
func (w *Uint64) Store(v uint64) { store(&w.v, at(w), v) }

// Swap is that of sync/atomic.
func (w *Uint64) Swap(v uint64) uint64 {
	return change(&w.v, at(w), func() uint64 { return w.v.Swap(v) })
}

// CompareAndSwap is that of sync/atomic.
func (w *Uint64) CompareAndSwap(from, to uint64) bool { return compareAndSwap(&w.v, at(w), from, to) }

// Add is that of sync/atomic.
func (w *Uint64) Add(v uint64) uint64 {
	return change(&w.v, at(w), func() uint64 { return w.v.Add(v) })
}

// And is that of sync/atomic.
func (w *Uint64) And(v uint64) uint64 {
	return change(&w.v, at(w), func() uint64 { return w.v.And(v) })
}

// Or is that of sync/atomic.
func (w *Uint64) Or(v uint64) uint64 { return change(&w.v, at(w), func() uint64 { return w.v.Or(v) }) }
