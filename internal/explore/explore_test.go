//go:build explore

package explore_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
)

// words is memory for models, all of it words.
func words(x *explore.Execution) *[2]shared.Uint32 {
	w := new([2]shared.Uint32)
	explore.Words(x, "words", w)
	return w
}

func TestALostUpdateIsFound(t *testing.T) {
	m := explore.Model{Preemptions: explore.Unbounded, Setup: func(x *explore.Execution) {
		w := words(x)
		for range 2 {
			x.Process(func() { w[0].Store(w[0].Load() + 1) })
		}
		x.Finally(func() error {
			if w[0].Load() != 2 {
				return errors.New("lost")
			}
			return nil
		})
	}}
	r := explore.Explore(m)
	t.Log(r)
	require.EqualError(t, r.Failure, "lost")

	again, err := explore.Replay(m, r.Schedule)
	require.NoError(t, err)
	require.EqualError(t, again.Failure, "lost")
	require.Equal(t, r.Schedule, again.Schedule)
}

// sleepUntil1 sleeps on w until it is 1.
func sleepUntil1(w, epoch *shared.Uint32) {
	for {
		e := epoch.Load()
		if w.Load() == 1 {
			return
		}
		_ = futex.Wait([]sys.Futex{{Word: w, Val: 0}, {Word: epoch, Val: e}}, 0)
	}
}

func TestALostWakeUpIsFound(t *testing.T) {
	model := func(wakeFirst bool) explore.Model {
		return explore.Model{Preemptions: explore.Unbounded, Setup: func(x *explore.Execution) {
			w := words(x)
			x.Process(func() { sleepUntil1(&w[0], &w[1]) })
			x.Process(func() {
				if wakeFirst {
					futex.WakeAll(&w[0])
				}
				w[0].Store(1)
				if !wakeFirst {
					futex.WakeAll(&w[0])
				}
			})
		}}
	}
	r := explore.Explore(model(true))
	t.Log(r)
	require.ErrorIs(t, r.Failure, explore.ErrDeadlock)
	r = explore.Explore(model(false))
	t.Log(r)
	require.NoError(t, r.Failure)
	require.True(t, r.Complete)
}

func TestAWakeUpThatIsLostWithItsSenderIsFound(t *testing.T) {
	model := func(bury bool) explore.Model {
		return explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: func(x *explore.Execution) {
			w := words(x)
			x.Witness(func() { sleepUntil1(&w[0], &w[1]) })
			x.Process(func() {
				w[0].Store(1)
				futex.WakeAll(&w[0])
			})
			x.Buried(func(int) {
				w[0].CompareAndSwap(0, 1) // so that the sleeper has something to see
				if bury {
					w[1].Add(1)
					futex.WakeAll(&w[1])
				}
			})
		}}
	}
	r := explore.Explore(model(false))
	t.Log(r)
	require.ErrorIs(t, r.Failure, explore.ErrDeadlock)
	r = explore.Explore(model(true))
	t.Log(r)
	require.NoError(t, r.Failure)
	require.True(t, r.Complete)
}

func TestWhoeverIsWokenIsChosen(t *testing.T) {
	var outcomes [3]int
	m := explore.Model{Preemptions: explore.Unbounded, Setup: func(x *explore.Execution) {
		w := words(x)
		woken := [3]bool{}
		for i := range 2 {
			x.Process(func() {
				_ = futex.Wait([]sys.Futex{{Word: &w[0], Val: 0}}, 0)
				woken[i] = true
			})
		}
		x.Excuse(func(int) error { return nil })
		x.Process(func() { futex.Wake(&w[0], 1) })
		x.Finally(func() error {
			for i, is := range woken {
				if is {
					outcomes[i]++
				}
			}
			return nil
		})
	}}
	r := explore.Explore(m)
	require.NoError(t, r.Failure)
	require.NotZero(t, outcomes[0])
	require.NotZero(t, outcomes[1])
}

func TestAllOrdersAreExplored(t *testing.T) {
	orders := make(map[uint32]bool)
	m := explore.Model{Preemptions: explore.Unbounded, Setup: func(x *explore.Execution) {
		w := words(x)
		for i := range uint32(3) {
			x.Process(func() {
				for range 2 {
					w[0].Store(w[0].Load()*4 + i + 1)
				}
			})
		}
		x.Finally(func() error {
			orders[w[0].Load()] = true
			return nil
		})
	}}
	r := explore.Explore(m)
	t.Log(r)
	require.True(t, r.Complete)
	want := make(map[uint32]bool)
	allOrders(0, [3]int{}, [3]uint32{}, want)
	require.Equal(t, want, orders)
}

// allOrders finds the values that the model above can end with, by itself.
func allOrders(w uint32, at [3]int, read [3]uint32, found map[uint32]bool) {
	over := true
	for i := range at {
		if at[i] == 4 {
			continue
		}
		over = false
		next, v, reads := at, w, read
		if next[i]++; at[i]%2 == 0 {
			reads[i] = w
		} else {
			v = read[i]*4 + uint32(i) + 1
		}
		allOrders(v, next, reads, found)
	}
	if over {
		found[w] = true
	}
}

func TestEveryStoreMayBeTheLast(t *testing.T) {
	ends := make(map[uint32]bool)
	m := explore.Model{Kills: 1, Setup: func(x *explore.Execution) {
		w := words(x)
		x.Process(func() {
			for range 5 {
				w[0].Add(1)
			}
		})
		x.Witness(func() { w[0].Load() })
		x.Finally(func() error {
			ends[w[0].Load()] = true
			return nil
		})
	}}
	require.True(t, explore.Explore(m).Complete)
	require.Len(t, ends, 5, "1 to 5: nobody dies before the first")
}

func TestTimersGoOffAtAnyTime(t *testing.T) {
	seen := make(map[uint32]bool)
	m := explore.Model{Ticks: 1, Preemptions: explore.Unbounded, Setup: func(x *explore.Execution) {
		w := words(x)
		x.Process(func() {
			w[0].Load()
			explore.AfterFunc(1, func() { w[0].Store(1) })
			first, second := w[0].Load(), w[0].Load()
			seen[first*2+second] = true
		})
	}}
	r := explore.Explore(m)
	t.Log(r)
	require.NoError(t, r.Failure)
	require.Len(t, seen, 3)
}
