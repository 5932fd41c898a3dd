//go:build explore

package ipc

import (
	"testing"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
)

// The models of this package's objects. Each runs the real code of two to four
// processes over common memory, in all orders within its bounds; see package
// explore.
var models = make(map[string]explore.Model)

func TestExplore(t *testing.T) { testkit.Explore(t, models) }

// A cosmos is the world of a model: who is alive lies in common memory, as it does
// in the arena, and so does the death epoch.
type cosmos struct {
	x *explore.Execution
	*cosmosWords
	citizens []*citizen
}

type cosmosWords struct {
	epoch shared.Uint32
	dead  [8]shared.Uint32 // 1: proven dead
}

// A citizen is one of its processes: a Domain.
type citizen struct {
	*cosmos
	self shm.Incarnation
}

// newCosmos makes a world of n processes. What they do is said by Process, in the
// same order.
func newCosmos(x *explore.Execution, n int) *cosmos {
	c := &cosmos{x: x, cosmosWords: new(cosmosWords)}
	explore.Words(x, "cosmos", c.cosmosWords)
	c.epoch.Store(^uint32(0)) // so that it wraps at once
	for i := range n {
		c.citizens = append(c.citizens, &citizen{c, shm.Incarnation(1<<8 | i)})
	}
	x.Buried(c.bury)
	return c
}

// must ends the execution if a process got an error that it should not.
func (c *cosmos) must(err error) {
	if err != nil {
		c.x.Check(false, "%v", err)
	}
}

// bury says that a process is dead, as a guardian does.
func (c *cosmos) bury(i int) {
	c.dead[i].Store(1)
	c.epoch.Add(1)
	futex.WakeAll(&c.epoch)
}

func (c *citizen) Self() shm.Incarnation { return c.self }
func (c *citizen) Epoch() *shared.Uint32 { return &c.epoch }
func (c *citizen) Alive(i shm.Incarnation) bool {
	return i.Slot() >= len(c.dead) || c.dead[i.Slot()].Load() == 0
}

// bells registers the bells of gates, which a process's own timers and cancellations
// ring.
func bells(x *explore.Execution, gates ...*gate) {
	for _, g := range gates {
		explore.Words(x, "bell", &g.bell)
	}
}
