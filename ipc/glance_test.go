package ipc

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAContextIsLookedAtWhenItIsNewAndNowAndThen(t *testing.T) {
	rings, _ := aRing(t, 1, 2, 8, 0)
	r, msg := rings[0], []byte("8 bytes.")
	const most = 1000 // more than 60 times as long as it takes on average
	quick := map[string]func(ctx context.Context) bool{
		"put": func(ctx context.Context) bool { return putQuickly(r, ctx, msg) },
		"get": func(ctx context.Context) bool { ok, _ := getQuickly(r, ctx, msg); return ok },
	}
	require.NoError(t, r.Put(anytime, msg)) // so that all has been scanned
	require.True(t, wasGot(r.TryGet(nil)))
	for name, use := range quick {
		other := quick["get"]
		if name == "get" {
			other = quick["put"]
			require.True(t, other(anytime))
		}
		ctx, cancel := context.WithCancel(context.Background())
		require.True(t, use(ctx), name)
		cancel()
		n := 0
		for ; other(anytime) && use(ctx); n++ {
			require.Less(t, n, most, "%s: nobody looks", name)
		}
		ended, cancelled := context.WithCancel(context.Background())
		cancelled()
		require.False(t, use(ended), "%s: it is another one", name)
		require.False(t, use(ended), "%s: it was looked at, and has ended", name)
	}
}

// Somebody is always asleep, and so is woken each time, as in a full queue, or by a slow producer.
func TestAContextIsLookedAtThoughSomebodyIsWokenEachTime(t *testing.T) {
	rings, _ := aRing(t, 1, 2, 8, 0)
	r, msg := rings[0], []byte("8 bytes.")
	const most = 1000
	c := r.cells.Load()
	require.NoError(t, r.Put(anytime, msg)) // so that all has been scanned
	require.True(t, wasGot(r.TryGet(nil)))
	for name, use := range map[string]func(ctx context.Context) bool{
		"put": func(ctx context.Context) bool {
			put := putQuickly(r, ctx, msg)
			return put && wasGot(r.TryGet(nil))
		},
		"get": func(ctx context.Context) bool {
			require.NoError(t, r.TryPut(msg))
			got, _ := getQuickly(r, ctx, msg)
			return got || !wasGot(r.TryGet(nil))
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		require.True(t, use(ctx))
		cancel()
		for n := 0; ; n++ {
			require.Less(t, n, most, "%s: nobody looks", name)
			puts, frees := vigil{bell: c.puts}, vigil{bell: c.frees}
			puts.announce()
			frees.announce()
			if !use(ctx) {
				break
			}
		}
	}
}

func TestOfSeveralGoroutinesAllLookAtTheirContext(t *testing.T) {
	var looks [4]int // who call in turns, with the same context
	for i := range 100_000 {
		if dueAt(uint64(i)) { // then the next one looks
			looks[i%len(looks)]++
		}
	}
	for _, n := range looks {
		require.InDelta(t, 100_000/16/len(looks), n, 200)
	}
}

func wasGot(_ []byte, err error) bool { return err == nil }
