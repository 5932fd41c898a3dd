package mp

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
)

// Where the words are that the arena keeps of a process, as shm's byte tables say.
const (
	slotTable  = 4 << 10
	slotLength = 256
	statusWord = 0
	lifeWord   = 160
	epochWord  = 128 // in the header
	tableWord  = 256 // wakes all guardians
)

// slotWord is a word of a process's slot in the arena.
func slotWord(arena []shared.Uint32, slot, offset int) *shared.Uint32 {
	return &arena[(slotTable+slot*slotLength+offset)/4]
}

// A living owner keeps what it owns, whatever somebody writes over its life word. It
// goes on as the owner, or dies: then the next one is told.
func TestNothingIsTakenFromAProcessWithAGarbledLifeWord(t *testing.T) {
	const died = 0x40000000 // FUTEX_OWNER_DIED
	a, err := arena()
	require.NoError(t, err)
	words := testkit.MapWords(t, a.File())
	for _, how := range []string{"goes on", "is killed"} {
		t.Run("it "+how, func(t *testing.T) {
			t.Cleanup(func() { requireEmpty(t) })
			type scene struct {
				ownership
				s     *stage
				owner *actor
				next  <-chan error
			}
			var scenes []*scene
			for _, o := range ownerships {
				c := &scene{ownership: o, s: buildStage(t)}
				c.owner = c.s.hire(t)
				c.next = o.awaited(t, c.s, c.owner)
				scenes = append(scenes, c)
			}
			lies := []uint32{0x0badcafe}
			if how == "goes on" {
				lies = []uint32{0, died, 0xffffffff}
			}
			for _, lie := range lies {
				for _, c := range scenes {
					w := slotWord(words, c.owner.inc.Slot(), lifeWord)
					w.Store(lie)
					futex.WakeAll(w)
				}
				awaitLookArounds(t, &words[tableWord/4], 1)
				for _, c := range scenes {
					require.Empty(t, c.next, c.name)
					require.True(t, a.Alive(c.owner.inc), c.name)
				}
			}
			for _, c := range scenes {
				if how == "is killed" {
					c.owner.die()
					require.ErrorIs(t, <-c.next, c.want, c.name)
					require.NoError(t, c.mend(within(t), c.s))
				} else {
					c.releases(c.owner)
					require.NoError(t, <-c.next, c.name)
				}
			}
		})
	}
}

// awaitLookArounds has all guardians look around until that of this process has done
// it so often. The table is the arena's tableWord.
func awaitLookArounds(t *testing.T, table *shared.Uint32, n int) {
	t.Helper()
	me, first := os.Getpid(), -1
	eventually(t, func() bool {
		now := lookArounds(t, me)
		if first < 0 {
			first = now
		}
		futex.WakeAll(table)
		return now >= 0 && now-first >= n
	}, "so many look-arounds")
}

// generations is the number of the last generation of a slot; the next one is 1.
const generations = 1<<23 - 2

// slots is how many processes of that test can live at a time.
const slots = 5

func init() {
	// The processes of this tree are the last generation of their slots, and the
	// first ones; and deaths are counted round.
	addTrial("generationsGoRound", func(t *trial) {
		Init()
		lock, err := NewMutex()
		require.NoError(t, err)
		bounded, err := NewBoundedSemaphore(1)
		require.NoError(t, err)
		a, err := arena()
		require.NoError(t, err)
		words := testkit.MapWords(nil, a.File())
		for slot := 1; slot < shm.MaxProcesses; slot++ {
			slotWord(words, slot, statusWord).Store(generations - 1) // vacant
		}
		for range shm.MaxProcesses - 1 - slots {
			i, err := a.Reserve()
			require.NoError(t, err)
			defer a.Bury(i)
		}
		words[epochWord/4].Store(^uint32(0) - 1)

		dead := make(map[shm.Incarnation]bool)
		for range 3 * slots {
			p, err := diesWithPermit.Start(t.ctx, diesArg{lock, bounded})
			require.NoError(t, err)
			require.False(t, dead[p.inc], "nobody has had that name before")
			err = lock.Lock(t.ctx)
			for ; err == nil; err = lock.Lock(t.ctx) { // before it had
				require.NoError(t, lock.Unlock())
			}
			require.ErrorIs(t, err, ErrOwnerDied)
			require.NoError(t, bounded.Acquire(t.ctx), "its permit is back")
			require.NoError(t, bounded.Release())
			require.NoError(t, lock.Recover(t.ctx, nil))
			<-p.Done()
			dead[p.inc] = true
			for i := range dead {
				require.False(t, a.Alive(i), "%v", i)
			}
		}
		require.Less(t, words[epochWord/4].Load(), uint32(1000))
		seen := make(map[uint32]int)
		for i := range dead {
			seen[i.Generation()]++
		}
		require.Equal(t, slots, seen[generations], "of each slot the last one")
		require.Positive(t, seen[1])
		require.Positive(t, seen[2])
		giveBack(t, []freer{lock, bounded})
		require.Zero(t, inUse())
	})
}

func TestGenerationsGoRoundWhileProcessesDie(t *testing.T) { try(t, "generationsGoRound") }

type diesArg struct {
	Lock    *Mutex
	Bounded *BoundedSemaphore
}

// diesWithPermit is killed while it has a lock and a permit.
var diesWithPermit = Register("test.diesWithPermit", func(ctx context.Context, in diesArg) (int, error) {
	if err := in.Bounded.Acquire(ctx); err != nil {
		return 0, err
	}
	if err := in.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	killMyself()
	return 0, nil
})
