//go:build explore

package ipc

import (
	"fmt"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/shared"
)

func init() {
	models["chain/one each"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredGrowth(1, 3, 1)}
	models["chain/two deaths"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredGrowth(1, 3, 1)}
	models["chain/two producers"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredGrowth(2, 2, 0)}
	models["chain/two producers, one consumer"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredGrowth(2, 1, 1)}
}

// A soil is where the segments of a growing ring lie in a model: each has a place of its
// own, which is never used again.
type soil struct {
	made   shared.Uint64 // segments
	places [][]byte
}

// newSoil has place for some segments, each twice as long as the one before.
func newSoil(x *explore.Execution, segments int) *soil {
	s := new(soil)
	explore.Words(x, "segments made", &s.made)
	for i := range segments {
		size, _ := RingSize(2<<i, 8)
		mem := Aligned(make([]byte, size+cellAlign))[:size]
		explore.Bytes(x, fmt.Sprintf("segment %d", i+1), mem)
		s.places = append(s.places, mem)
	}
	return s
}

// New may be asked for a segment that another process makes at the same time: then the
// place is as large as the next one.
func (s *soil) New(n int) (uint64, []byte, error) {
	name := s.made.Add(1)
	mem := s.places[name-1]
	return name, mem[:n], nil
}

func (s *soil) Open(name uint64) ([]byte, error) { return s.places[name-1], nil }

func (s *soil) Close(uint64) {}

// exploredGrowth: producers put so many messages each into a growing ring whose first
// segment has one cell; consumers, if there are any, get one each.
func exploredGrowth(producers, puts, consumers int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, producers+consumers)
		size, _ := RingSize(1, 8)
		mem := Aligned(make([]byte, size+cellAlign))[:size]
		if err := InitGrowingRing(mem, 1, 8); err != nil {
			panic(err)
		}
		explore.Bytes(x, "ring", mem)
		ground := newSoil(x, 4)
		p := &post{x: x}
		for i, d := range c.citizens {
			r, err := OpenGrowingRing(d, mem, ground)
			c.must(err)
			bells(x, r.put, r.get)
			if i < producers {
				x.Process(func() { c.must(p.putAll(r, i*puts, (i+1)*puts)) })
			} else {
				x.Process(func() { c.must(p.getOne(r)) })
			}
		}
		latecomer := func() *Ring { // at the end
			r, err := OpenGrowingRing(&citizen{c, c.citizens[0].self + 7}, mem, ground)
			if err != nil {
				panic(err)
			}
			return r
		}
		x.Excuse(func(i int) error {
			if n := latecomer().Len(); n > 0 || i < producers {
				return fmt.Errorf("there are %d messages", n)
			}
			return nil
		})
		x.Finally(func() error {
			left, err := p.takeRest(latecomer())
			if err != nil {
				return err
			}
			mayLose := 0
			for i := producers; i < len(c.citizens); i++ {
				mayLose += boolToInt(x.Killed(i))
			}
			return p.check(left, mayLose)
		})
	}
}
