package storm

import (
	"fmt"
	"runtime"

	"github.com/mpgo/mp"
)

// mostHoard is the largest array that is made to make memory scarce; a few such fill
// the arena.
const mostHoard = ArenaSize / 5

var hoardActs = []act{{
	name: "Hoard of memory", weight: 1,
	do: func(h *hand) error {
		if !h.chance(2) {
			return errNotNow
		}
		return h.hoard(1 + h.rng.IntN(6))
	},
}}

// hoard takes memory, which must be zero and nobody else's, and gives it back.
func (h *hand) hoard(depth int) error {
	if depth == 0 {
		return nil
	}
	a, err := mp.NewArray[int64](1 + h.rng.IntN(mostHoard/8))
	if err != nil {
		return err
	}
	s := a.Slice()
	for i, v := range s {
		if v != 0 {
			return fmt.Errorf("element %d of %d is %#x in new memory", i, len(s), v)
		}
	}
	mark := h.rng.Int64()
	for i := range s {
		s[i] = mark
	}
	err = h.hoard(depth - 1)
	for i, v := range s {
		if v != mark {
			return fmt.Errorf("somebody wrote %#x to element %d of %d, which is %#x", v, i, len(s), mark)
		}
	}
	runtime.KeepAlive(a)
	return worst(err, a.Free())
}
