package mp

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// A claim is what the processes of these scripts get: the owner of the first lock
// dies, and the others say what they are told.
type claim struct {
	Depth int // of the process that waits, below the one that gets this
	Lock  *Mutex
	Ready *Event
}

// claims waits for the lock, or has a descendant that does, and says how that ended.
var claims *Func[claim, int]

// owns has the lock until its end.
var owns = Register("test.owns", func(ctx context.Context, in claim) (int, error) {
	if err := in.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	fmt.Println("owner", os.Getpid())
	if err := in.Ready.Set(); err != nil {
		return 0, err
	}
	select {}
})

// owners has a child that owns.
var owners = Register("test.owners", func(ctx context.Context, in claim) (int, error) {
	p, err := owns.Start(ctx, in)
	if err != nil {
		return 0, err
	}
	return 0, p.Wait(ctx)
})

func init() {
	claims = Register("test.claims", func(ctx context.Context, in claim) (int, error) {
		if in.Depth > 0 {
			in.Depth--
			p, err := claims.Start(ctx, in)
			if err != nil {
				return 0, err
			}
			return 0, p.Wait(context.Background())
		}
		if err := in.Ready.Wait(ctx); err != nil {
			return 0, err
		}
		fmt.Println("waits", os.Getpid())
		err := in.Lock.Lock(context.Background()) // also when the parent is gone
		fmt.Println("got", nameOf(err))
		return 0, nil
	})
}

// kin makes what a script's processes share, as its first process.
func kin(t *trial) claim {
	Init()
	lock, err := NewMutex()
	require.NoError(t, err)
	ready, err := NewEvent()
	require.NoError(t, err)
	return claim{Lock: lock, Ready: ready}
}

// hearPID waits for a line of a word and a pid.
func hearPID(t *testing.T, c *testkit.Child, word string) int {
	t.Helper()
	line := c.Hear()
	number, ok := strings.CutPrefix(line, word+" ")
	require.True(t, ok, line)
	pid, err := strconv.Atoi(number)
	require.NoError(t, err)
	return pid
}

func init() {
	// The owner is the parent, or the grandparent, of who waits.
	for depth := range 3 {
		addTrial(fmt.Sprint("ancestorOwns", depth), func(t *trial) {
			in := kin(t)
			require.NoError(t, in.Lock.Lock(t.ctx))
			require.NoError(t, in.Ready.Set())
			in.Depth = depth
			_, err := claims.Start(context.Background(), in)
			require.NoError(t, err)
			select {}
		})
	}
	// The owner is a sibling, and their parent is stopped: so it cannot tell.
	addTrial("siblingOwns", func(t *trial) {
		in := kin(t)
		owner, err := owns.Start(t.ctx, in)
		require.NoError(t, err)
		p, err := claims.Start(t.ctx, in)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.ctx))
		require.Error(t, owner.Wait(t.ctx))
	})
	// The owner is a niece or nephew, whose parent is stopped.
	addTrial("nephewOwns", func(t *trial) {
		in := kin(t)
		brother, err := owners.Start(t.ctx, in)
		require.NoError(t, err)
		t.Say("brother", brother.PID())
		p, err := claims.Start(t.ctx, in)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.ctx))
		require.Error(t, brother.Wait(t.ctx))
	})
}

// Descendants of a dead process end soon after it: the children after orphanGrace.
// On a busy machine one may have no time to say what it sees; of some one has.
func TestDescendantsLearnThatTheirAncestorDiedAsOwner(t *testing.T) {
	for depth := range 3 {
		t.Run(fmt.Sprint("depth ", depth+1), func(t *testing.T) {
			for range 20 {
				c := testkit.Start(t, fmt.Sprint("ancestorOwns", depth))
				hearPID(t, c, "waits")
				require.NoError(t, c.Cmd.Process.Kill())
				said := c.Hear()
				if said != "" {
					require.Equal(t, "got "+ErrOwnerDied.Error(), said)
					return
				}
			}
			t.Error("none has said what it saw")
		})
	}
}

func TestSiblingsLearnOfADeathWithoutTheirParent(t *testing.T) {
	c := testkit.Start(t, "siblingOwns")
	owner := hearPID(t, c, "owner")
	hearPID(t, c, "waits")
	send(t, c.PID(), syscall.SIGSTOP)
	eventually(t, func() bool { return stopped(c.PID()) }, "a stopped parent")
	send(t, owner, syscall.SIGKILL)
	require.Equal(t, "got "+ErrOwnerDied.Error(), c.Hear())
	require.True(t, stopped(c.PID()), "the parent could not have told")
	send(t, c.PID(), syscall.SIGCONT)
	require.Equal(t, "passed", c.Hear())
	require.NoError(t, c.Wait())
}

func TestDistantRelativesLearnOfADeath(t *testing.T) {
	c := testkit.Start(t, "nephewOwns")
	brother := hearPID(t, c, "brother")
	owner := hearPID(t, c, "owner")
	hearPID(t, c, "waits")
	for _, pid := range []int{brother, c.PID()} {
		send(t, pid, syscall.SIGSTOP)
		eventually(t, func() bool { return stopped(pid) }, "a stopped process")
	}
	send(t, owner, syscall.SIGKILL)
	require.Equal(t, "got "+ErrOwnerDied.Error(), c.Hear())
	for _, pid := range []int{brother, c.PID()} {
		require.True(t, stopped(pid))
		send(t, pid, syscall.SIGCONT)
	}
	require.Equal(t, "passed", c.Hear())
	require.NoError(t, c.Wait())
}

func send(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, sig))
}
