package ipc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// One goroutine reads many streams, more than one thread can sleep on, and sleeps only
// when all are empty.
func TestALookoutMissesNothing(t *testing.T) {
	const streams, records = 130, 20
	w := newWorld(t)
	d := w.mate()
	lookout := NewLookout(d)
	var readers []*StreamReader
	for range streams {
		size, err := StreamSize(256)
		require.NoError(t, err)
		mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
		require.NoError(t, InitStream(mem, 256))
		r, err := OpenReader(d, mem)
		require.NoError(t, err)
		readers = append(readers, r)
		writer := w.mate()
		go func() {
			w, err := OpenWriter(writer, mem)
			for i := 0; err == nil && i < records; i++ {
				if i%2 == 0 {
					w.Rouse() // so that who sleeps may wake up too early, and sleep again
				}
				err = w.Put(t.Context(), []byte{byte(i)})
			}
		}()
	}
	seen := make([]int, streams)
	look := func() (n int) {
		for i, r := range readers {
			for b, err := r.TryTake(); err == nil; b, err = r.TryTake() {
				require.Equal(t, []byte{byte(seen[i])}, b)
				r.Release()
				seen[i]++
				n++
			}
		}
		return n
	}
	for left := streams * records; left > 0; {
		lookout.Announce(readers)
		n := look()
		if left -= n; n == 0 {
			require.NoError(t, lookout.Sleep())
		}
	}
}

func TestALookoutIsWoken(t *testing.T) {
	lookout := NewLookout(newWorld(t).mate())
	for range 100 {
		lookout.Announce(nil)
		go lookout.Wake()
		require.NoError(t, lookout.Sleep())
	}
}

// To rouse a reader wakes it if it sleeps, once, and is nothing to one that is awake.
func TestRouseWakesWhoSleeps(t *testing.T) {
	w := newWorld(t)
	size, err := StreamSize(256)
	require.NoError(t, err)
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
	require.NoError(t, InitStream(mem, 256))
	r, err := OpenReader(w.mate(), mem)
	require.NoError(t, err)
	writer, err := OpenWriter(w.mate(), mem)
	require.NoError(t, err)

	writer.Rouse()
	require.Zero(t, r.mine.rung.Load(), "nobody sleeps")
	lookout := NewLookout(r.d)
	for i := range uint32(100) {
		lookout.Announce([]*StreamReader{r})
		roused := start(func() any { writer.Rouse(); return nil })
		require.NoError(t, lookout.Sleep())
		ends(t, roused)
		require.Equal(t, i+1, r.mine.rung.Load())
		require.Zero(t, r.mine.waiting.Load(), "a commit need not ring, too")
		_, err := r.TryTake()
		require.ErrorIs(t, err, ErrEmpty, "and there is nothing yet")
	}
	require.NoError(t, writer.TryPut([]byte("at last")))
	require.Equal(t, uint32(100), r.mine.rung.Load())
	b, err := r.TryTake()
	require.NoError(t, err)
	require.Equal(t, "at last", string(b))
}
