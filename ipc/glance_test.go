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
		"put": func(ctx context.Context) bool { return r.PutQuick(ctx, msg) },
		"get": func(ctx context.Context) bool { ok, _ := r.GetQuick(ctx, msg); return ok },
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

func TestOfSeveralGoroutinesAllLookAtTheirContext(t *testing.T) {
	var g glance
	var looks [4]int // who call in turns, with the same context
	for i := range 100_000 {
		if g.skips() == 0 {
			looks[i%len(looks)]++
		}
	}
	for _, n := range looks {
		require.InDelta(t, 100_000/16/len(looks), n, 200)
	}
}

func wasGot(_ []byte, err error) bool { return err == nil }
