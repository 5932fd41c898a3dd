package ipc

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/goroutine"
)

// The favour is withdrawn all the time from goroutines in the middle of Push and Pull:
// whoever withdraws it knows the position, and every record arrives once, in order.
func TestFavourIsWithdrawnFromRunningGoroutines(t *testing.T) {
	const length, withdrawals = 16, 3000
	size, err := StreamSize(1024)
	require.NoError(t, err)
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
	require.NoError(t, InitFixedStream(mem, 1024, length))
	world := newWorld(t)
	writer, err := OpenWriter(world.mate(), mem)
	require.NoError(t, err)
	reader, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	if !writer.reached {
		t.Skip("no favours here: without the kernel's barriers, on this architecture, or under the race detector")
	}
	w, r := newPusher(writer, length), newPuller(reader, length)

	var stop, all sync.WaitGroup
	stop.Add(2)
	over := make(chan struct{})
	go func() { stop.Wait(); close(over) }()
	ended := func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	}
	var sent, got uint64
	all.Go(func() { // pushes as long as the favour is withdrawn
		var msg [length]byte
		for ; !ended(); sent++ {
			binary.LittleEndian.PutUint64(msg[:], sent)
			for w.push(atOnce, msg[:]) != nil {
				runtime.Gosched()
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.Withdraw()
		_ = w.Close()
	})
	all.Go(func() { // pulls until the writer has closed
		var msg [length]byte
		for ; ; got++ {
			for {
				err := r.pull(atOnce, msg[:])
				if got%2 == 0 && err == ErrEmpty {
					err = r.tryPull(msg[:])
				}
				if err == nil {
					break
				}
				if err != ErrEmpty {
					return
				}
				runtime.Gosched()
			}
			if n := binary.LittleEndian.Uint64(msg[:]); n != got {
				t.Errorf("record %d is %d", got, n)
				return
			}
		}
	})
	all.Go(func() {
		defer stop.Done()
		for range withdrawals {
			w.mu.Lock()
			w.Withdraw()
			if w.tail != w.m.tail.Load() {
				t.Errorf("the writer takes %#x for its tail, %#x", w.tail, w.m.tail.Load())
			}
			w.favour.needed = 0 // the next one gets it at once
			w.mu.Unlock()
			runtime.Gosched()
		}
	})
	all.Go(func() {
		defer stop.Done()
		for range withdrawals {
			r.mu.Lock()
			r.Withdraw()
			if r.head != r.m.head.Load() {
				t.Errorf("the reader takes %#x for its head, %#x", r.head, r.m.head.Load())
			}
			r.favour.needed = 0
			r.mu.Unlock()
			runtime.Gosched()
		}
	})
	all.Wait()
	require.Equal(t, sent, got)
	require.NotZero(t, got)
	require.NotZero(t, w.byStep.Load())
	require.NotZero(t, r.byStep.Load())
}

// Goroutines come, send from the depth of stacks that grow, shrink and move, and go, so that
// others get the blocks of stack by which those with the favour are known: each record arrives
// once, and those of each goroutine in order.
func TestFavourWhileStacksMove(t *testing.T) {
	const senders, lives, records = 4, 200, 240
	n := newCounted(t, newWorld(t))
	ctx := within(t)
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for life := range lives {
				var one sync.WaitGroup
				one.Go(func() {
					for i := range records {
						deepSend(t, ctx, n.w, uint64(s)<<32|uint64(life*records+i), (i/40*7+life)%23)
					}
				})
				one.Wait()
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	all.Go(func() { // the favour is to be had, and stacks shrink
		for range lives / 3 {
			n.w.mu.Lock()
			n.w.favour.needed = 0
			n.w.mu.Unlock()
			runtime.GC()
		}
	})
	var next [senders]uint64
	var msg [countedLength]byte
	for range senders * lives * records {
		require.NoError(t, n.r.pull(ctx, msg[:]))
		word := binary.LittleEndian.Uint64(msg[:])
		s := word >> 32
		require.Equal(t, next[s], word&(1<<32-1), "from sender %d", s)
		next[s]++
	}
	<-over
	require.ErrorIs(t, n.r.tryPull(msg[:]), ErrEmpty)
	if n.w.reached {
		require.NotZero(t, n.w.byStep.Load())
	}
	t.Logf("%d of %d records by Push alone or less, %d by the steps of who is favoured",
		senders*lives*records-n.w.slow, senders*lives*records, n.w.byStep.Load())
}

// deepSend sends from so many KiB further down the stack.
func deepSend(t *testing.T, ctx context.Context, w *pusher, word uint64, depth int) byte {
	var room [1024]byte
	if depth > 0 {
		return deepSend(t, ctx, w, word, depth-1) + room[depth]
	}
	var msg [countedLength]byte
	binary.LittleEndian.PutUint64(msg[:], word)
	if err := w.push(ctx, msg[:]); err != nil {
		t.Error(err)
	}
	return room[word%1024]
}

// Who publishes by the favour looks for who waits when the end may be given up already, and
// its memory somebody else's: who gives it up wakes the peer, and nobody touches it later.
func TestWhoGivesAnEndUpWakesThePeer(t *testing.T) {
	for name, giveUp := range map[string]func(*StreamWriter){
		"handed over": (*StreamWriter).HandOver,
		"closed":      func(w *StreamWriter) { _ = w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounted(t, newWorld(t))
			peer := n.w.peer
			peer.waiting.Store(1)
			giveUp(n.w.StreamWriter)
			require.Zero(t, peer.waiting.Load())
			require.EqualValues(t, 1, peer.rung.Load())
			peer.waiting.Store(1)
			n.w.wakePeer()
			require.EqualValues(t, 1, peer.waiting.Load(), "it is somebody else's memory")
		})
	}
	t.Run("not given up", func(t *testing.T) {
		n := newCounted(t, newWorld(t))
		n.w.peer.waiting.Store(1)
		n.w.wakePeer()
		require.Zero(t, n.w.peer.waiting.Load())
	})
}

// A goroutine that has given the favour back may come once more by what it kept, and finds out
// only after it has moved next: who withdraws the favour then knows the position nevertheless.
func TestWhoComesAgainAfterGivingTheFavourBack(t *testing.T) {
	n := newCounted(t, newWorld(t))
	var here byte
	at := goroutine.At(&here)
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	for range fewInARow + 2 {
		n.w.favour.grant(n.w.tail, wayOf(&n.w.end, &n.w.m, n.w.ring, n.w.stop, n.w.m.tail), at)
	}
	kept := n.w.Favoured()
	require.NotNil(t, kept)
	n.w.favour.giveBack(at)
	_, trouble := kept.Begin()
	require.NotZero(t, trouble)
	n.w.Withdraw()
	kept.Undo()
	require.Equal(t, n.w.m.tail.Load(), n.w.tail)
}
