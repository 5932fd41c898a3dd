package mp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// These acts change something without end. After each change they count it in the
// array: so the value is as many changes ahead as its writer's death cut off, none
// or one.
func init() {
	for act, change := range map[string]func(ctx context.Context, p *player) error{
		"book on": func(ctx context.Context, p *player) error { return p.Value.Update(ctx, (*ledger).book) },
		"swap on": func(_ context.Context, p *player) error {
			l := p.Value.Load()
			l.book()
			_, err := p.Value.Swap(l)
			return err
		},
		"compare and swap on": func(_ context.Context, p *player) error {
			old := p.Value.Load()
			l := old
			l.book()
			ok, err := p.Value.CompareAndSwap(old, l)
			return errors.Join(err, equal(1, count(ok)))
		},
		"update small on": func(ctx context.Context, p *player) error {
			return p.Small.Update(ctx, func(n *int64) { *n++ })
		},
		"add on": func(_ context.Context, p *player) error {
			_, err := Add(p.Small, 1)
			return err
		},
	} {
		acts[act] = func(ctx context.Context, p *player) error {
			p.enter(act)
			for {
				if err := change(ctx, p); err != nil {
					return err
				}
				AddAt(p.Array, changes, 1)
			}
		}
	}
}

// changes is the element of the array that counts changes.
const changes = 5

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func TestAWriterIsKilledAndTheValueIsOldOrNew(t *testing.T) {
	kills := 10
	if brief() {
		kills = 4
	}
	for act, serial := range map[string]func(s *stage) int64{
		"book on":             func(s *stage) int64 { return s.Value.Load().Serial },
		"swap on":             func(s *stage) int64 { return s.Value.Load().Serial },
		"compare and swap on": func(s *stage) int64 { return s.Value.Load().Serial },
		"update small on":     func(s *stage) int64 { return s.Small.Load() },
		"add on":              func(s *stage) int64 { return s.Small.Load() },
	} {
		t.Run(act, func(t *testing.T) {
			s := newStage(t)
			stop := watched(t, s)
			defer stop()
			rng := rand.New(rand.NewPCG(7, uint64(len(act))))
			cutOff := 0
			for range kills {
				writer := s.hire(t)
				writer.enters(act)
				enough := s.Array.At(changes) + rng.Int64N(3000)
				eventually(t, func() bool { return s.Array.At(changes) >= enough }, "so many changes")
				writer.die()
				ahead := int(serial(s) - s.Array.At(changes))
				require.Contains(t, []int{0, 1}, ahead, "the last change was done, or was not")
				cutOff += ahead
				AddAt(s.Array, changes, int64(ahead))
				require.True(t, s.Value.Load().sound())
				require.NoError(t, s.Value.Update(within(t), func(*ledger) {}), "nobody is in it any more")
				require.NoError(t, s.Small.Update(within(t), func(*int64) {}))
			}
			t.Logf("%d changes, %d of %d writers died before they counted theirs", s.Array.At(changes), cutOff, kills)
		})
	}
}

// watched has readers of this process and of another look at the ledger all the
// time, until stop.
func watched(t *testing.T, s *stage) (stop func()) {
	t.Helper()
	reader := s.hire(t)
	reader.enters("watch")
	var quit atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !quit.Load() {
			if l := s.Value.Load(); !l.sound() {
				t.Errorf("a mix: %+v", l)
				return
			}
		}
	})
	return func() {
		quit.Store(true)
		wg.Wait()
		reader.leaves("watch")
	}
}

func init() {
	acts["watch"] = func(_ context.Context, p *player) error {
		p.enter("watch")
		for {
			select {
			case <-p.leave:
				return nil
			default:
			}
			if l := p.Value.Load(); !l.sound() {
				return fmt.Errorf("a mix: %+v", l)
			}
		}
	}
}

// All write at a time, and die at a time.
func TestAValueIsNeverTornByManyWritersAndDeaths(t *testing.T) {
	kills := 30
	if brief() {
		kills = 6
	}
	s := newStage(t)
	stop := watched(t, s)
	defer stop()
	rng := rand.New(rand.NewPCG(5, 6))
	writers := make([]*actor, 3)
	hire := func() *actor { a := s.hire(t); a.enters("book on"); return a }
	for i := range writers {
		writers[i] = hire()
	}
	for n := range kills {
		enough := s.Array.At(changes) + rng.Int64N(1000)
		eventually(t, func() bool { return s.Array.At(changes) >= enough }, "changes go on")
		writers[n%3].die()
		writers[n%3] = hire()
	}
	for _, a := range writers {
		a.die()
	}
	ahead := s.Value.Load().Serial - s.Array.At(changes)
	require.GreaterOrEqual(t, ahead, int64(0))
	require.LessOrEqual(t, ahead, int64(kills+len(writers)), "each death cuts off one change at most")
}

// An array's owner may die in the middle of a change: then that is there, and the
// next is told.
func TestAnArrayKeepsWhatItsDeadOwnerWrote(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.enters("stay in array")
	require.Equal(t, int64(1), s.Array.At(0), "plain memory: everybody sees it at once")
	a.die()
	ctx := within(t)
	never := func([]int64) { t.Error("f ran") }
	require.ErrorIs(t, s.Array.Update(ctx, never), ErrOwnerDied)
	require.Equal(t, int64(1), s.Array.At(0))
	s.Array.Set(2, 9) // At and Set need no lock
	require.Equal(t, int64(10), AddAt(s.Array, 2, 1))
	failure := errors.New("not to be repaired")
	require.ErrorIs(t, s.Array.Recover(ctx, func([]int64) error { return failure }), failure)
	require.ErrorIs(t, s.Array.Update(ctx, never), ErrOwnerDied)
	require.NoError(t, s.Array.Recover(ctx, func(counts []int64) error { clear(counts); return nil }))
	require.NoError(t, s.Array.Update(ctx, raise))
	require.Equal(t, []int64{1, 1, 0}, s.Array.Slice()[:3])
}
