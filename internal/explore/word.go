//go:build explore

package explore

import (
	"fmt"
	"hash/maphash"
	"math/bits"
)

// A Kind is what is done to words.
type Kind uint8

const (
	begins Kind = iota // a thread, or goes on after its sleep
	Load               // a word is read
	Store              // a word is written, or read and written
	sleeps             // a thread sleeps while words have their values
	wakes              // those who sleep on a word are woken
)

func (k Kind) String() string {
	return [...]string{"goes on", "loads", "stores", "goes to sleep on", "wakes who sleep on"}[k]
}

// An operation is what a thread is about to do.
type operation struct {
	kind Kind
	word uintptr
}

// A region is memory that threads have in common.
type region struct {
	name  string
	at    uintptr
	size  uintptr
	bytes []byte // not nil: more than words lies there, so it is hashed as a whole
	known []word
	sums  []uint64 // of the execution: what each word adds to Execution.sum
}

// A word is what the search knows of one word: the threads that ever read and wrote
// it. If one wrote it and another one used it, in whichever execution, it is
// contended, and each access to it is a step. Accesses to other words come in no
// order that could make a difference.
type word struct {
	readers, writers uint32
	contended        bool
}

// shared reports whether one has written the word and another one used it.
func (w *word) shared() bool {
	return w.writers != 0 && bits.OnesCount32(w.readers|w.writers) > 1
}

// register is what Words and Bytes have in common.
func (x *Execution) register(name string, at uintptr, size int, bytes []byte) {
	i := len(x.memory)
	if i == len(x.search.known) {
		x.search.known = append(x.search.known, make([]word, (size+3)/4))
		x.search.sums = append(x.search.sums, make([]uint64, (size+3)/4))
	}
	x.memory = append(x.memory, region{
		name: name, at: at, size: uintptr(size), bytes: bytes,
		known: x.search.known[i], sums: x.search.sums[i],
	})
}

// place finds a word in the registered memory; i is -1 if it is not there.
func (x *Execution) place(word uintptr) (i int, offset uintptr) {
	for i := range x.memory {
		if offset := word - x.memory[i].at; offset < x.memory[i].size {
			return i, offset
		}
	}
	return -1, 0
}

func (x *Execution) describe(word uintptr) string {
	if i, offset := x.place(word); i >= 0 {
		return fmt.Sprintf("%s+%d", x.memory[i].name, offset)
	}
	return "a word of its own"
}

// Before comes before an access to a word, and After after it, with its result and
// what the word holds now. Between the two no other thread runs.
func Before(kind Kind, word uintptr) {
	if t := current(); t != nil {
		running.access(t, operation{kind, word})
	}
}

// access waits until it is t's turn to access a word.
func (x *Execution) access(t *thread, op operation) {
	if x.over {
		panic(abandoned{})
	}
	if x.matters(t, op) {
		x.step(t, op)
	}
}

// matters reports whether another thread may use the word, too.
func (x *Execution) matters(t *thread, op operation) bool {
	i, offset := x.place(op.word)
	if i < 0 {
		if owner := x.private[op.word]; owner == nil {
			x.private[op.word] = t
		} else if owner != t {
			x.fail(fmt.Errorf("%c and %c use a word that no Memory has", owner.name, t.name))
			panic(abandoned{})
		}
		return false
	}
	if x.search.script != nil {
		return true
	}
	w := &x.memory[i].known[offset/4]
	if op.kind == Load || op.kind == sleeps {
		w.readers |= t.bit()
	} else {
		w.writers |= t.bit()
	}
	if x.search.scout != nil {
		w.contended = w.contended || w.shared()
		return w.contended
	}
	if !w.contended && w.shared() {
		w.contended = true
		x.search.began = false // what was explored so far did not know it
		x.over = true
		panic(abandoned{})
	}
	return w.contended
}

// After is described at Before.
func After(kind Kind, word uintptr, result, now uint64) {
	t := current()
	if t == nil || running.over {
		return
	}
	x := running
	t.learn(result + uint64(kind)<<60)
	if i, offset := x.place(word); i >= 0 {
		x.settle(i, offset, now)
		x.log(t.name)
		if x.trace != nil {
			x.tell("%c %-6v %s+%d: %#x, now %#x", t.name, kind, x.memory[i].name, offset, result, now)
		}
	}
}

// settle takes the value of a word into the sum of all.
func (x *Execution) settle(i int, offset uintptr, now uint64) {
	sum := mix(now ^ mix(uint64(i)<<32+uint64(offset)))
	old := &x.memory[i].sums[offset/4]
	if *old == 0 {
		x.settled = append(x.settled, old)
	}
	x.sum += sum - *old
	*old = sum
}

// mix is a hash of one number.
func mix(v uint64) uint64 {
	v ^= v >> 32
	v *= 0x9e3779b97f4a7c15
	v ^= v >> 29
	v *= 0xbf58476d1ce4e5b9
	return v ^ v>>32
}

var seed = maphash.MakeSeed()

// key is a hash of the state that the execution is in, and of what the bounds still
// allow. The state of a thread is a function of what it has learned.
func (x *Execution) key() uint64 {
	h := x.sum
	for i := range x.memory {
		if b := x.memory[i].bytes; b != nil {
			h = mix(h) + maphash.Bytes(seed, b)
		}
	}
	for _, t := range x.threads {
		h += mix(t.learned ^ mix(t.state()))
	}
	h = mix(h) + uint64(x.kills)<<40 + uint64(x.ticks)<<32 + uint64(x.clock)
	if x.search.bound != Unbounded {
		h = mix(h) + uint64(x.preemptions)<<8
		if x.last != nil {
			h += uint64(x.last.name)
		}
	}
	return h
}
