package testkit

import (
	"encoding/binary"
	"runtime/debug"
	"testing"
	"time"
)

// A Vandal damages shared memory. What it does, and what else a test does to who
// uses that memory, says a script, which a fuzzer writes:
//
//	f.Fuzz(func(t *testing.T, script []byte) {
//		for v := testkit.NewVandal(t, script); !v.Done(); {
//			switch v.Next(3) {
//			case 0: v.Damage(mem)
//			case 1: _ = q.TryPut(v.Word(8))
//			…
//
// What is so used gives errors, or something, but no panic, no endless loop, and no
// access beyond it. So the test must call nothing that waits.
type Vandal struct {
	testing.TB
	script []byte
}

const (
	// vandalHangs is how long a script may take.
	vandalHangs = 20 * time.Second

	// longestScript bounds what is looked at of one: longer ones find nothing more.
	longestScript = 400
)

// NewVandal begins a script, which must come to its end before it is called a hang.
func NewVandal(t testing.TB, script []byte) *Vandal {
	watchdog := time.AfterFunc(vandalHangs, func() {
		debug.SetTraceback("all")
		panic("testkit: a script hangs")
	})
	t.Cleanup(func() { watchdog.Stop() })
	return &Vandal{t, script[:min(len(script), longestScript)]}
}

// Done reports whether the script is at its end.
func (v *Vandal) Done() bool { return len(v.script) == 0 }

// Next is the script's next byte, modulo n; 0 beyond the end.
func (v *Vandal) Next(n int) int { return int(v.Word(1)) % n }

// Word is the next word of so many bytes, 8 at most.
func (v *Vandal) Word(size int) uint64 {
	var b [8]byte
	n := copy(b[:size], v.script)
	v.script = v.script[n:]
	return binary.LittleEndian.Uint64(b[:])
}

// Bytes are the next n bytes, or what is left.
func (v *Vandal) Bytes(n int) []byte {
	n = min(n, len(v.script))
	b := v.script[:n:n]
	v.script = v.script[n:]
	return b
}

// Damage changes a word of the memory; more often one in its beginning.
func (v *Vandal) Damage(mem []byte) {
	words := len(mem) / 8
	if words == 0 {
		return
	}
	if v.Next(2) == 0 {
		words = min(words, 100)
	}
	at := mem[int(v.Word(2))%words*8:]
	binary.LittleEndian.PutUint64(at, v.instead(binary.LittleEndian.Uint64(at)))
}

// instead is what damaged memory might hold instead of a word: often something that
// is nearly right.
func (v *Vandal) instead(was uint64) uint64 {
	switch v.Next(6) {
	case 0:
		return v.Word(8)
	case 1:
		return was ^ 1<<v.Next(64)
	case 2:
		return was + uint64(int8(v.Word(1)))
	case 3:
		return uint64(int64(int8(v.Word(1))))
	case 4: // a cell's lap, owner and phase
		return v.Word(1)<<33 | v.Word(2)<<2 | v.Word(1)&3
	default: // an owner beside a flag, twice
		return v.Word(1)<<63 | v.Word(2)<<32 | v.Word(1)<<31 | v.Word(2)
	}
}
