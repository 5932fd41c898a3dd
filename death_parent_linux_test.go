package mp

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// A family is an actor and its child, an actor too. When the parent is killed, the
// child ends by itself a moment later.
type family struct {
	parent, child *actor
	childPID      int
}

type familyRoles struct{ Parent, Child role }

// acts as a parent, after it has started its child.
var parenting = Register("test.parenting", func(ctx context.Context, in familyRoles) (int, error) {
	if _, err := acting.Start(ctx, in.Child); err != nil {
		return 0, err
	}
	return perform(ctx, in.Parent)
})

// hireFamily starts a family for s.
func (s *stage) hireFamily(t testing.TB) family {
	t.Helper()
	f := family{parent: s.engage(t), child: s.engage(t)}
	var err error
	f.parent.Process, err = parenting.Start(context.Background(), familyRoles{f.parent.role(s), f.child.role(s)})
	require.NoError(t, err)
	t.Cleanup(func() {
		f.parent.die()
		f.gone()
	})
	f.child.does("nothing")
	for _, p := range processes(t) {
		if p.Parent == f.parent.inc {
			f.childPID = p.PID
		}
	}
	return f
}

// gone waits until the child has followed its parent.
func (f family) gone() {
	f.parent.t.Helper()
	eventually(f.parent.t, func() bool { return len(processes(f.parent.t)) == 1 }, "the end of all but this process")
}

// processes are those of this tree.
func processes(t testing.TB) []shm.ProcessEntry {
	t.Helper()
	a, err := arena()
	require.NoError(t, err)
	return a.Processes()
}

func init() {
	acts["nothing"] = func(context.Context, *player) error { return nil }
}

// The owner is the parent of one who waits, as this process does. Whatever the child
// had of it in the moment that it outlives its parent comes to this process.
func TestAKilledParentWasTheOwner(t *testing.T) {
	for _, o := range ownerships {
		t.Run(o.name, func(t *testing.T) {
			s := newStage(t)
			f := s.hireFamily(t)
			next := o.awaited(t, s, f.parent)
			f.child.tell(o.owner[0])
			eventually(t, func() bool { return asleepInKernel(t, f.childPID) > 1 }, "a child that waits")
			require.Empty(t, next, "the owner lives")
			f.parent.die()
			require.ErrorIs(t, <-next, o.want)
			f.gone()
			o.asBefore(t, s)
		})
	}
}

// The owner is the child of the one who is killed, and nobody's child then.
func TestTheOwnerWasAChildOfTheKilled(t *testing.T) {
	for _, o := range ownerships {
		t.Run(o.name, func(t *testing.T) {
			s := newStage(t)
			f := s.hireFamily(t)
			next := o.awaited(t, s, f.child)
			require.Empty(t, next, "the owner lives")
			f.parent.die()
			require.ErrorIs(t, <-next, o.want)
			f.gone()
			o.asBefore(t, s)
		})
	}
}
