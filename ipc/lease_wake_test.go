package ipc

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who sleeps in Receive waits for a message, for a slot of the lease table, or for the last
// leases of others; and what happens may be something else than it waits for.

// onLendingRings is a test on a ring of two cells, and on one that grows by two cells at a
// time, of several processes.
func onLendingRings(t *testing.T, n, leases int, test func(t *testing.T, rings []*Ring)) {
	t.Run("bounded", func(t *testing.T) {
		rings, _ := lendingRing(t, n, 2, leases, 0, 0)
		test(t, rings)
	})
	t.Run("growing", func(t *testing.T) {
		rings, _, _ := aLendingChain(t, n, 2, leases)
		test(t, rings)
	})
}

// receives is what Receive comes to: the message, or the error.
func receives(ctx context.Context, r *Ring) <-chan any {
	return start(func() any {
		l, err := r.Receive(ctx)
		if err != nil {
			return err
		}
		b, _ := l.Bytes()
		return string(b)
	})
}

func TestAReturnedMessageReachesWhoWaitsForASlot(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		onLendingRings(t, 2, 1, func(t *testing.T, rings []*Ring) {
			mustPut(t, rings[0], "a")
			_, l := mustReceive(t, rings[0])
			asleep := receives(within(t), rings[1])
			blocks(t, asleep)
			require.NoError(t, l.Nack(delay)) // and the holder does not receive again
			require.Equal(t, "a", ends(t, asleep))
		})
	}
}

// Of two who wait for a slot one waits for the returned message that is due later, and
// leaves.
func TestADelayedMessageReachesWhoStillWaitsForASlot(t *testing.T) {
	onLendingRings(t, 3, 1, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[0], "a")
		_, l := mustReceive(t, rings[0])
		ctx, cancel := context.WithCancel(within(t))
		first := receives(ctx, rings[1])
		blocks(t, first)
		second := receives(within(t), rings[2])
		blocks(t, second)
		require.NoError(t, l.Nack(100*time.Millisecond))
		cancel()
		if got := ends(t, first); got != "a" {
			require.Equal(t, context.Canceled, got)
			require.Equal(t, "a", ends(t, second))
		}
	})
}

// A ring is closed while a message is being written, and two wait for it. The one who has
// it does not come again; the other one hears that there will be no more.
func TestTheLastMessageOfAClosedRingIsTheEndForAllWhoWait(t *testing.T) {
	ending := map[string]func(c Claimed){
		"committed": func(c Claimed) { c.Commit(1) },
		"aborted":   func(c Claimed) { c.Abort() },
		"batch":     func(c Claimed) { CommitBatch([]Claimed{c}, 0) },
	}
	taking := map[string]func(t *testing.T, r *Ring) <-chan error{
		"Take": func(t *testing.T, r *Ring) <-chan error {
			return start(func() error {
				m, err := r.Take(within(t))
				if err == nil {
					m.Release()
				}
				return err
			})
		},
		"Receive": func(t *testing.T, r *Ring) <-chan error {
			return start(func() error {
				l, err := r.Receive(within(t))
				if err == nil {
					err = l.Ack()
				}
				return err
			})
		},
		"Receive without a slot": func(t *testing.T, r *Ring) <-chan error {
			mustPut(t, r, "mine")
			_, mine := mustReceive(t, r)
			return start(func() error {
				_, err := r.Receive(within(t))
				if err == ErrClosed {
					err = mine.Ack()
				}
				return err
			})
		},
	}
	for how, end := range ending {
		for what, take := range taking {
			t.Run(how+", "+what, func(t *testing.T) {
				onLendingRings(t, 4, 1, func(t *testing.T, rings []*Ring) {
					mustPut(t, rings[0], "x")
					require.Equal(t, "x", mustTake(t, rings[0]))
					waiting := []<-chan error{take(t, rings[1])}
					if what != "Receive without a slot" {
						waiting = append(waiting, take(t, rings[2]))
					}
					last, err := rings[0].Claim(within(t)) // of a growing ring the last cell of its segment
					require.NoError(t, err)
					for _, w := range waiting {
						blocks(t, w)
					}
					require.NoError(t, rings[3].Close())
					for _, w := range waiting {
						blocks(t, w)
					}
					end(last)
					if what == "Receive without a slot" && how == "committed" {
						mustTake(t, rings[3])
						require.NoError(t, ends(t, waiting[0]))
						return
					}
					closed := 0
					for _, w := range waiting {
						if err := ends(t, w); err != nil {
							require.Equal(t, ErrClosed, err)
							closed++
						}
					}
					switch {
					case what == "Receive without a slot":
						require.Zero(t, closed)
					case how == "committed":
						require.Equal(t, len(waiting)-1, closed)
					default:
						require.Equal(t, len(waiting), closed)
					}
				})
			})
		}
	}
}

// Who has all leases and receives from a closed and empty ring waits for nobody.
func TestAClosedRingEndsForWhoHasAllLeases(t *testing.T) {
	onLendingRings(t, 2, 1, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[0], "a")
		_, l := mustReceive(t, rings[0])
		asleep := receives(within(t), rings[0])
		blocks(t, asleep)
		other := receives(within(t), rings[1])
		blocks(t, other)
		require.NoError(t, rings[1].Close())
		require.Equal(t, ErrClosed, ends(t, asleep))
		_, err := rings[0].TryReceive()
		require.ErrorIs(t, err, ErrClosed)
		blocks(t, other) // it may come back
		require.NoError(t, l.Ack())
		require.Equal(t, ErrClosed, ends(t, other))
	})
}

// Several wait for a slot of a closed ring; what they wait for is taken by somebody else.
// Who has the only lease waits for nobody then, the others for its end.
func TestAClosedRingEndsForAllWhoWaitForASlot(t *testing.T) {
	onLendingRings(t, 4, 1, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[0], "mine")
		_, mine := mustReceive(t, rings[0])
		mustPut(t, rings[0], "last")
		var waiting []<-chan any
		for _, i := range []int{1, 2, 0} {
			waiting = append(waiting, receives(within(t), rings[i]))
			blocks(t, waiting[len(waiting)-1])
		}
		require.NoError(t, rings[3].Close())
		for _, w := range waiting {
			blocks(t, w)
		}
		require.Equal(t, "last", mustTake(t, rings[3]))
		require.Equal(t, ErrClosed, ends(t, waiting[2]))
		for _, w := range waiting[:2] {
			blocks(t, w) // "mine" may come back
		}
		require.NoError(t, mine.Ack())
		for _, w := range waiting[:2] {
			require.Equal(t, ErrClosed, ends(t, w))
		}
	})
}

// Between its cell and its lease a message is another's, too; and so is one that is got.
func TestAClosedRingWaitsForAMessageOnItsWay(t *testing.T) {
	onLendingRings(t, 3, 2, func(t *testing.T, rings []*Ring) {
		for _, last := range []string{"leased", "got"} {
			mustPut(t, rings[0], last)
		}
		require.NoError(t, rings[0].Close())
		table, err := rings[1].lender.table()
		require.NoError(t, err)
		slot, ok := rings[1].lender.reserve(table)
		require.True(t, ok)
		leased, err := rings[1].take()
		require.NoError(t, err)
		got, err := rings[1].take()
		require.NoError(t, err)
		_, err = rings[2].TryReceive()
		require.Equal(t, ErrEmpty, err, "it may come back")
		asleep := receives(within(t), rings[2])
		blocks(t, asleep)
		l, err := slot.lend(leased)
		require.NoError(t, err)
		require.NoError(t, l.Nack(0))
		require.Equal(t, "leased", ends(t, asleep))
		asleep = receives(within(t), rings[0])
		blocks(t, asleep) // "got" is being read
		got.Release()
		blocks(t, asleep) // process 2 has "leased"
		_, err = rings[2].TryReceive()
		require.ErrorIs(t, err, ErrClosed, "the others have nothing")
	})
}

// watches is what it comes to, to wait until there is something in a ring.
func watches(t *testing.T, r *Ring) <-chan error {
	return start(func() error { return NewWatch(r.lender.d, []Source{r.Source()}).Wait(within(t)) })
}

// A message that is returned for later ends a wait when it is due, though nobody receives.
func TestAWatchEndsWhenAReturnedMessageIsDue(t *testing.T) {
	onLendingRings(t, 2, 1, func(t *testing.T, rings []*Ring) {
		for _, before := range []bool{true, false} {
			mustPut(t, rings[0], "a")
			_, l := mustReceive(t, rings[0])
			if before {
				require.NoError(t, l.Nack(20*time.Millisecond))
			}
			watching := watches(t, rings[1])
			if !before {
				blocks(t, watching)
				require.NoError(t, l.Nack(20*time.Millisecond))
			}
			require.NoError(t, ends(t, watching))
			require.Equal(t, "a", mustTake(t, rings[0]))
		}
	})
}

// Who only watches passes on what it was woken for.
func TestAWatchLeavesWhatWokeIt(t *testing.T) {
	onLendingRings(t, 3, 1, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[0], "a")
		_, l := mustReceive(t, rings[0])
		watching := watches(t, rings[1])
		blocks(t, watching)
		asleep := start(func() any { b, err := rings[2].Get(within(t), nil); return [2]any{string(b), err} })
		blocks(t, asleep)
		require.NoError(t, l.Nack(0))
		require.NoError(t, ends(t, watching))
		require.Equal(t, [2]any{"a", nil}, ends(t, asleep))

		c, err := rings[0].Claim(within(t))
		require.NoError(t, err)
		require.NoError(t, rings[0].Close())
		watching = watches(t, rings[1])
		blocks(t, watching)
		asleep = start(func() any { _, err := rings[2].Get(within(t), nil); return err })
		blocks(t, asleep)
		c.Abort()
		require.NoError(t, ends(t, watching))
		require.Equal(t, ErrClosed, ends(t, asleep))
	})
}
