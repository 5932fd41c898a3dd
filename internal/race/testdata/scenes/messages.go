package main

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp"
)

func init() {
	for name, play := range map[string]func(){
		"MapThroughReceive":       mapThroughReceive,
		"MapThroughNack":          mapThroughNack,
		"MapBeforeAckAndJoin":     mapBeforeAckAndJoin,
		"MapThroughBatches":       mapThroughBatches,
		"MapThroughLoan":          mapThroughLoan,
		"MapThroughRoomInAQueue":  mapThroughRoomInAQueue,
		"MapThroughAGrowingQueue": mapThroughAGrowingQueue,
		"MapThroughPipe":          mapThroughPipe,
		"MapThroughPipeOfParcels": mapThroughPipeOfParcels,
		"MapThroughRoomInAPipe":   mapThroughRoomInAPipe,
		"MapBeforeTheEndOfAPipe":  mapBeforeTheEndOfAPipe,
		"MapThroughStream":        mapThroughStream,
		"MapThroughCall":          mapThroughCall,
		"MapThroughFuture":        mapThroughFuture,
		"MapThroughMap":           mapThroughMap,

		"MapAfterPut":         mapAfterPut,
		"MapAfterPutBatch":    mapAfterPutBatch,
		"MapAfterPublish":     mapAfterPublish,
		"MapAfterNack":        mapAfterNack,
		"MapAfterSend":        mapAfterSend,
		"MapAfterWrite":       mapAfterWrite,
		"MapAfterSet":         mapAfterSet,
		"MapAfterRelease":     mapAfterRelease,
		"MapAfterUpdate":      mapAfterUpdate,
		"MapAfterUnlock":      mapAfterUnlock,
		"MapAfterUnlockOfAnR": mapAfterUnlockOfAnR,
		"MapBesideATask":      mapBesideATask,
	} {
		scenes[name] = play
	}
}

// Right.

// handOver writes to a map before it publishes, and after it observes.
func handOver(publish, observe func()) {
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		publish()
	}, func() {
		observe()
		counts["n"]++
	})
}

func mapThroughReceive() {
	q := must(mp.NewQueue[int](1))
	handOver(func() { check(q.Put(ctx, 1)) }, func() { check(must(q.Receive(ctx)).Ack()) })
}

func mapThroughNack() {
	q := must(mp.NewQueue[int](1))
	check(q.Put(ctx, 1))
	first := must(q.Receive(ctx))
	handOver(func() { check(first.Nack(0)) }, func() { check(must(q.Receive(ctx)).Ack()) })
}

func mapBeforeAckAndJoin() {
	q := must(mp.NewQueue[int](1))
	check(q.Put(ctx, 1))
	d := must(q.Receive(ctx))
	handOver(func() { check(d.Ack()) }, func() { check(q.Join(ctx)) })
}

func mapThroughBatches() {
	q := must(mp.NewQueue[int](4))
	handOver(func() { must(q.PutBatch(ctx, []int{1, 2, 3})) }, func() { must(q.GetBatch(ctx, make([]int, 3))) })
}

func mapThroughLoan() {
	q := must(mp.NewQueue[[]byte](1))
	handOver(func() { check(must(mp.Loan(q, 1<<16)).Publish(ctx)) }, func() { must(mp.Borrow(ctx, q)).Release() })
}

// Who finds room comes after the one who made it.
func mapThroughRoomInAQueue() {
	q := must(mp.NewQueue[int](1))
	check(q.Put(ctx, 1))
	handOver(func() { must(q.Get(ctx)) }, func() { check(q.Put(ctx, 2)) })
}

func mapThroughAGrowingQueue() {
	q := must(mp.NewQueue[int](0))
	counts := map[string]int{}
	both(func() {
		for i := range 3 * rounds {
			if i == 2*rounds {
				counts["n"]++
			}
			check(q.Put(ctx, i))
		}
	}, func() {
		for must(q.Get(ctx)) < 2*rounds {
		}
		counts["n"]++
	})
}

func mapThroughPipe() {
	a, b := pipe[int]()
	counts := map[string]int{}
	both(func() {
		for i := range rounds {
			counts["n"]++
			check(a.Send(ctx, i))
			must(a.Recv(ctx))
		}
	}, func() {
		for i := range rounds {
			must(b.Recv(ctx))
			counts["n"]++
			check(b.Send(ctx, i))
		}
	})
}

func pipe[T any]() (*mp.Conn[T], *mp.Conn[T]) {
	a, b, err := mp.NewPipe[T](mp.WithPipeCapacity(256))
	check(err)
	return a, b
}

func mapThroughPipeOfParcels() {
	a, b := pipe[string]()
	handOver(func() { check(a.Send(ctx, string(make([]byte, 1<<16)))) }, func() { must(b.Recv(ctx)) })
}

func mapThroughRoomInAPipe() {
	a, b := pipe[[64]byte]()
	sent := 0
	for a.TrySend([64]byte{}) == nil {
		sent++
	}
	handOver(func() {
		for range sent {
			must(b.Recv(ctx))
		}
	}, func() { check(a.Send(ctx, [64]byte{})) })
}

func mapBeforeTheEndOfAPipe() {
	a, b := pipe[int]()
	handOver(func() { check(a.Close()) }, func() {
		if _, err := b.Recv(ctx); !errors.Is(err, io.EOF) {
			panic(err)
		}
	})
}

func mapThroughStream() {
	a, b := pipe[[]byte]()
	w, r := mp.NewStream(a), mp.NewStream(b)
	handOver(func() { must(w.Write(make([]byte, 1000))) }, func() { must(io.ReadFull(r, make([]byte, 1000))) })
}

// tasks counts in a map of this process: the pool is one of goroutines.
var (
	taskCounts = map[string]int{}
	begun      atomic.Pointer[int32] // where a task says that it has counted, if somebody asks
	tasks      = mp.Register("tasks", countInTask)
)

func mapThroughCall() {
	pool := must(mp.NewLocalPool(ctx, 1))
	for range rounds {
		taskCounts["n"]++
		must(tasks.Call(ctx, pool, 1))
	}
	taskCounts["n"]++
	check(pool.Close())
}

func mapThroughFuture() {
	pool := must(mp.NewLocalPool(ctx, 1))
	for range rounds {
		taskCounts["n"]++
		must(tasks.Go(ctx, pool, 1).Get(ctx))
	}
	taskCounts["n"]++
	check(pool.Close())
}

func mapThroughMap() {
	pool := must(mp.NewLocalPool(ctx, 1))
	taskCounts["n"]++
	must(tasks.Map(ctx, pool, make([]int, rounds)))
	taskCounts["n"]++
	check(pool.Close())
}

// Wrong: who comes after somebody's message is not after what that one did next.

func after(publish, observe func()) {
	counts := map[string]int{}
	unordered(func() {
		publish()
		counts["n"]++
	}, func() {
		observe()
		counts["n"]++
	})
}

func mapAfterPut() {
	q := must(mp.NewQueue[int](1))
	after(func() { check(q.Put(ctx, 1)) }, func() { must(q.Get(ctx)) })
}

func mapAfterPutBatch() {
	q := must(mp.NewQueue[int](2))
	after(func() { must(q.PutBatch(ctx, []int{1, 2})) }, func() { must(q.GetBatch(ctx, make([]int, 2))) })
}

func mapAfterPublish() {
	q := must(mp.NewQueue[[]byte](1))
	after(func() { check(must(mp.Loan(q, 10)).Publish(ctx)) }, func() { must(mp.Borrow(ctx, q)).Release() })
}

func mapAfterNack() {
	q := must(mp.NewQueue[int](1))
	check(q.Put(ctx, 1))
	d := must(q.Receive(ctx))
	after(func() { check(d.Nack(0)) }, func() { check(must(q.Receive(ctx)).Ack()) })
}

func mapAfterSend() {
	a, b := pipe[int]()
	after(func() { check(a.Send(ctx, 1)) }, func() { must(b.Recv(ctx)) })
}

func mapAfterWrite() {
	a, b := pipe[[]byte]()
	w, r := mp.NewStream(a), mp.NewStream(b)
	after(func() { must(w.Write([]byte{1})) }, func() { must(r.Read(make([]byte, 1))) })
}

func mapAfterSet() {
	e := must(mp.NewEvent())
	after(func() { check(e.Set()) }, func() { check(e.Wait(ctx)) })
}

func mapAfterRelease() {
	s := must(mp.NewSemaphore(0))
	after(func() { check(s.Release(1)) }, func() { check(s.Acquire(ctx)) })
}

func mapAfterUpdate() {
	v := must(mp.NewValue([4]int{}))
	after(func() { check(v.Update(ctx, func(p *[4]int) { p[0] = 1 })) }, func() { _ = v.Load() })
}

func mapAfterUnlock() {
	m := must(mp.NewRWMutex())
	lock := func() { check(m.Lock(ctx)); check(m.Unlock()) }
	after(lock, lock)
}

func mapAfterUnlockOfAnR() {
	l := must(mp.NewRLock())
	lock := func() {
		h := l.Holder()
		check(h.Lock(ctx))
		check(h.Unlock())
	}
	after(lock, lock)
}

func mapBesideATask() {
	a := must(mp.NewArray[int32](1))
	begun.Store(&a.Slice()[0])
	pool := must(mp.NewLocalPool(ctx, 1))
	f := tasks.Go(ctx, pool, 1)
	for atomic.LoadInt32(&a.Slice()[0]) == 0 {
		runtime.Gosched()
	}
	taskCounts["n"]++
	must(f.Get(ctx))
	check(pool.Close())
	runtime.KeepAlive(a)
}

func countInTask(_ context.Context, n int) (int, error) {
	taskCounts["n"] += n
	if p := begun.Load(); p != nil {
		atomic.StoreInt32(p, 1)
	}
	return n, nil
}
