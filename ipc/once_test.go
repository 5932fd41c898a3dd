package ipc

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnceRunsOnceAmongAllProcesses(t *testing.T) {
	w, s := newWorld(t), new(OnceState)
	var runs, failures atomic.Int32
	var result int // published by the one run
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for range 4 {
		o := NewOnce(w.mate(), s)
		for range 4 {
			wg.Go(func() {
				err := o.Do(within(t), func() error {
					if failures.Add(1) < 3 {
						return boom
					}
					runs.Add(1)
					result = 42
					return nil
				})
				if errors.Is(err, boom) {
					return
				}
				if err != nil || result != 42 {
					t.Error(err, result)
				}
			})
		}
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.EqualValues(t, 1, runs.Load())
	o := NewOnce(w.mate(), s)
	require.True(t, o.Done())
	require.Equal(t, "Once(done)", o.String())
	require.NoError(t, o.Close())
	require.ErrorIs(t, o.Do(within(t), func() error { return nil }), ErrClosed)
}

func TestOnceIsHandedOnByADeath(t *testing.T) {
	w, s := newWorld(t), new(OnceState)
	dying := w.mate()
	a, b := NewOnce(dying, s), NewOnce(w.mate(), s)
	running, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	go func() { _ = a.Do(within(t), func() error { close(running); <-never; return errors.New("dead") }) }()
	<-running
	require.Equal(t, "Once(running in 1.1)", b.String())
	ran := false
	got := start(func() error { return b.Do(within(t), func() error { ran = true; return nil }) })
	blocks(t, got)
	dying.die()
	require.NoError(t, ends(t, got))
	require.True(t, ran)
	require.True(t, b.Done())
}
