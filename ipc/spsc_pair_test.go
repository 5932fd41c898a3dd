package ipc

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// pipeOfTwo is two streams that are paired at both sides, in flow one by one.
func pipeOfTwo(t *testing.T) (there, back *counted) {
	world := newWorld(t)
	there, back = newCounted(t, world), newCounted(t, world)
	Pair(there.w.StreamWriter, back.r.StreamReader)
	Pair(back.w.StreamWriter, there.r.StreamReader)
	for range 8 * there.small() {
		there.put()
		there.get()
		back.put()
		back.get()
	}
	return there, back
}

func TestAnAnswerTellsHowFarTheReaderIs(t *testing.T) {
	there, back := pipeOfTwo(t)
	pushed := there.pushed()
	for range 4 * there.small() {
		there.put()
		there.get()
		back.put()
		back.get()
		head := there.w.m.head.Load()
		there.w.m.head.Store(head - countedLength<<4) // nobody needs to look there
		there.put()
		there.w.m.head.Store(head)
		there.get()
		back.put()
		back.get()
	}
	require.Equal(t, pushed+8*there.small(), there.pushed())
}

// Whoever answers has not read all that there is; and who says nothing, nonsense, or what
// is long past, is asked by head.
func TestWhatAnAnswerTellsOvertakesNoReader(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		there, back := pipeOfTwo(t)
		step := func(n *counted) func(*rapid.T) {
			return func(rt *rapid.T) {
				if rapid.Bool().Draw(rt, "put") && n.unread() < 40 {
					n.put()
				} else if n.unread() > 0 {
					n.get()
				}
			}
		}
		said := rapid.SampledFrom([]uint64{0, nothingRead, 7, 1 << 40, 1<<64 - 64, 64})
		rt.Repeat(map[string]func(*rapid.T){
			"there": step(there), "there again": step(there), "back": step(back), "back again": step(back),
			"past": func(rt *rapid.T) { there.w.told.Store(said.Draw(rt, "said")) },
		})
	})
}
