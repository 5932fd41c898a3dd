package ipc

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
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
	w, err := OpenWriter(world.mate(), mem)
	require.NoError(t, err)
	r, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	if !w.reached {
		t.Skip("no favours here: without the kernel's barriers, on this architecture, or under the race detector")
	}

	var writing, reading sync.Mutex
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
			for !w.Push(msg[:]) {
				writing.Lock()
				w.Withdraw()
				err := w.TryPut(msg[:])
				w.Grant()
				writing.Unlock()
				if err == nil {
					break
				}
				runtime.Gosched()
			}
		}
		writing.Lock()
		defer writing.Unlock()
		w.Withdraw()
		_ = w.Close()
	})
	all.Go(func() { // pulls until the writer has closed
		var msg [length]byte
		for ; ; got++ {
			for {
				if r.Pull(msg[:], 1+int(got%3)) {
					break
				}
				reading.Lock()
				r.Withdraw()
				_, err := r.TryGet(msg[:0])
				r.Grant()
				reading.Unlock()
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
			writing.Lock()
			w.Withdraw()
			if w.tail != w.m.tail.Load() {
				t.Errorf("the writer takes %#x for its tail, %#x", w.tail, w.m.tail.Load())
			}
			w.favour.needed = 0 // the next one gets it at once
			writing.Unlock()
			runtime.Gosched()
		}
	})
	all.Go(func() {
		defer stop.Done()
		for range withdrawals {
			reading.Lock()
			r.Withdraw()
			if r.head != r.m.head.Load() {
				t.Errorf("the reader takes %#x for its head, %#x", r.head, r.m.head.Load())
			}
			r.favour.needed = 0
			reading.Unlock()
			runtime.Gosched()
		}
	})
	all.Wait()
	require.Equal(t, sent, got)
	require.NotZero(t, got)
}
