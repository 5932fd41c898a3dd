//go:build explore

package shm

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/testkit"
)

func TestMutants(t *testing.T) { testkit.Mutants(t, mutants) }

var mutants = []testkit.Mutant{
	{
		Mistake: "reuse a generation in the process table", File: "table.go", Model: "places", Failure: "lives again|buried and alive",
		Right: "gen := nextGeneration(s.gen())\n\t\tif !a.slots",
		Wrong: "gen := s.gen()\n\t\tif !a.slots",
	}, {
		Mistake: "free a block without looking at its holders once more", File: "block.go", Model: "hand over", Failure: "block|unit",
		Right: "if !a.needed(p, gen) {\n\t\t\treturn h.cas(asking",
		Wrong: "if true {\n\t\t\treturn h.cas(asking",
	}, {
		Mistake: "untie a block before it is held", File: "tie.go", Model: "tie", Failure: "no longer|closed|gone",
		Right: "b, err := o.arena.Open(r, anyKind, 0)",
		Wrong: "o.Untie(r)\n\tb, err := o.arena.Open(r, anyKind, 0)",
	}, {
		Mistake: "do not tell the parent that it has a child", File: "tie.go", Model: "tie", Failure: "block|unit",
		Right: "o.place.head.mark(flagParent)\n",
		Wrong: "",
	},
}

// The models of the arena: several processes in one, each an Arena of its own over
// the same memory, in all orders within the bounds; see package explore.
func TestExplore(t *testing.T) {
	seg, err := NewSegment(MinArena)
	require.NoError(t, err)
	model := func(setup func(*cosmos)) explore.Model {
		return explore.Model{Preemptions: 2, Kills: 1, Setup: func(x *explore.Execution) { setup(newCosmos(x, seg)) }}
	}
	testkit.Explore(t, map[string]explore.Model{
		"blocks":       model((*cosmos).blocks),
		"hand over":    model((*cosmos).handOver),
		"free at once": model((*cosmos).freeAtOnce),
		"tie":          model((*cosmos).tie),
		"places":       model((*cosmos).places),
	})
}

// A cosmos is the arena of a model. Its last process is the undertaker, which does
// nothing else and is not killed.
type cosmos struct {
	x       *explore.Execution
	mem     []byte
	arenas  []*Arena
	written map[Ref]uint64 // who a block is
}

const citizens = 3

func newCosmos(x *explore.Execution, seg *Segment) *cosmos {
	c := &cosmos{x: x, mem: seg.Bytes(), written: make(map[Ref]uint64)}
	clear(c.mem)
	explore.Words(x, "arena", (*[MinArena]byte)(c.mem))
	for i := range citizens {
		a := view(seg)
		a.id, a.self = 1, makeIncarnation(i, 1)
		a.slots[i].status.Store(uint64(makeStatus(alive, Nobody, 1)))
		c.arenas = append(c.arenas, a)
	}
	x.Buried(func(i int) { c.undertaker().Bury(c.arenas[i].self) })
	x.Finally(c.empty)
	return c
}

func (c *cosmos) undertaker() *Arena { return c.arenas[citizens-1] }

func (c *cosmos) must(err error) {
	if err != nil {
		c.x.Check(false, "%v", err)
	}
}

// empty is how the arena must be at the end: as a new one with those who live.
func (c *cosmos) empty() error {
	living := 1
	for i := range citizens - 1 {
		if !c.x.Killed(i) {
			living++
		}
	}
	if list := faults(c.undertaker(), living); len(list) > 0 {
		return errors.New(list[0])
	}
	return nil
}

// make makes a block and writes into it who it is.
func (c *cosmos) make(a *Arena, who uint64) *Object {
	o, err := a.New(testKind, 0, 8)
	c.must(err)
	binary.LittleEndian.PutUint64(o.content(), who)
	c.written[o.Ref()] = who
	return o
}

// is checks that a block that is held is what it was made as.
func (c *cosmos) is(o *Object) {
	if got := binary.LittleEndian.Uint64(o.content()); got != c.written[o.Ref()] {
		c.x.Check(false, "the block %v is %d, and was %d", o.Ref(), got, c.written[o.Ref()])
	}
}

// blocks: two processes make a block each, twice, and give it back.
func (c *cosmos) blocks() {
	for i, a := range c.arenas[:citizens-1] {
		c.x.Process(func() {
			for n := range 2 {
				o := c.make(a, uint64(10*i+n+1))
				a.top() // a moment in which it is held
				c.is(o)
				o.Close()
			}
		})
	}
}

// handOver: a process makes a block and lets go of it, while another one opens it by
// its name: it gets that block, or nothing.
func (c *cosmos) handOver() {
	var name Ref
	first, second := c.arenas[0], c.arenas[1]
	c.x.Process(func() {
		o := c.make(first, 1)
		name = o.Ref()
		o.Close()
		c.make(first, 2).Close()
	})
	c.x.Process(func() {
		for range 2 {
			second.Epoch().Load()
			o, err := second.Open(name, testKind, 0)
			if err != nil {
				continue
			}
			c.is(o)
			second.top()
			c.is(o)
			o.Close()
		}
	})
}

// tie: a process ties a block of its own to one that both hold, says so, and lets go of
// it; the other one, if it was told, gets it.
func (c *cosmos) tie() {
	var told Ref
	both := c.make(c.undertaker(), 1)
	var views []*Object
	for _, a := range c.arenas[:citizens-1] {
		o, err := a.Open(both.Ref(), testKind, 0)
		if err != nil {
			panic(err)
		}
		views = append(views, o)
	}
	both.Close()
	c.x.Process(func() {
		o := c.make(c.arenas[0], 2)
		if !views[0].Tie(o.Ref()) {
			c.x.Check(false, "a new block is tied to something")
		}
		told = o.Ref()
		o.Close()
		views[0].Close()
	})
	c.x.Process(func() {
		c.arenas[1].Epoch().Load() // a moment in which it may come to be told
		if !told.IsZero() {
			o, err := views[1].OpenTied(told)
			c.must(err)
			c.is(o)
			c.arenas[1].top()
			c.is(o)
			o.Close()
		}
		views[1].Close()
	})
}

// freeAtOnce: two processes hold the same block and let go of it.
func (c *cosmos) freeAtOnce() {
	o := c.make(c.undertaker(), 1)
	held := []*Object{o}
	for _, a := range c.arenas[:citizens-1] {
		again, err := a.Open(o.Ref(), testKind, 0)
		if err != nil {
			panic(err)
		}
		held = append(held, again)
	}
	o.Close()
	for _, o := range held[1:] {
		c.x.Process(func() {
			c.is(o)
			o.Close()
		})
	}
}

// places: two processes reserve places for children and give them back, twice each.
// A name that was dead is never alive again.
func (c *cosmos) places() {
	for _, a := range c.arenas[:citizens-1] {
		c.x.Process(func() {
			var gone []Incarnation
			for range 2 {
				i, err := a.Reserve()
				c.must(err)
				for _, g := range gone {
					c.x.Check(!a.Alive(g), "%v lives again", g)
				}
				c.x.Check(a.Alive(i), "%v is not alive", i)
				a.Bury(i)
				c.x.Check(!a.Alive(i), "%v is buried and alive", i)
				gone = append(gone, i)
			}
		})
	}
}
