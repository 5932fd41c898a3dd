// Scenes plays one scene, for tests with the race detector: two goroutines that
// use shared objects rightly, or wrongly.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mpgo/mp"
)

var ctx = context.Background()

var scenes = map[string]func(){
	"MapUnderMutex":             mapUnderMutex,
	"MapUnderMutexOfTwoHandles": mapUnderMutexOfTwoHandles,
	"MapThroughQueue":           mapThroughQueue,
	"MapThroughQueueOfParcels":  mapThroughQueueOfParcels,
	"MapUnderRWMutex":           mapUnderRWMutex,
	"MapUnderRLock":             mapUnderRLock,
	"MapUnderCond":              mapUnderCond,
	"MapUnderSemaphore":         mapUnderSemaphore,
	"MapUnderBoundedSemaphore":  mapUnderBoundedSemaphore,
	"MapAcrossBarrier":          mapAcrossBarrier,
	"MapMadeOnce":               mapMadeOnce,
	"MapAnnouncedByEvent":       mapAnnouncedByEvent,
	"MapAnnouncedByClear":       mapAnnouncedByClear,
	"MapBeforeAbort":            mapBeforeAbort,
	"MapBeforeReset":            mapBeforeReset,
	"MapBeforeGivingUp":         mapBeforeGivingUp,
	"MapBeforeAFailedAction":    mapBeforeAFailedAction,
	"MapBeforeClose":            mapBeforeClose,
	"MapBeforeCloseOfAFull":     mapBeforeCloseOfAFull,
	"MapRepaired":               mapRepaired,
	"MapAnnouncedByValue":       mapAnnouncedByValue,
	"MapAnnouncedByLargeValue":  mapAnnouncedByLargeValue,
	"MapUnderSpinLock":          mapUnderSpinLock,
	"MapCountedDown":            mapCountedDown,
	"MapCountedDownInArray":     mapCountedDownInArray,

	"Value":                value,
	"LargeValue":           largeValue,
	"ElementUnderMutex":    elementUnderMutex,
	"ElementsUnderUpdate":  elementsUnderUpdate,
	"NeighbouringElements": neighbouringElements,
	"AddAt":                addAt,
	"AddAtNextToSet":       addAtNextToSet,
	"ElementsWithoutSize":  elementsWithoutSize,

	"ElementThroughAnotherProcess": elementThroughAnotherProcess,
	"ElementThroughAnEnd":          elementThroughAnEnd,
	"ElementThroughATask":          elementThroughATask,

	"SetAndSet":              setAndSet,
	"SetAndAt":               setAndAt,
	"SetAndAtOfStructs":      setAndAtOfStructs,
	"SetThroughTwoHandles":   setThroughTwoHandles,
	"SetUnderTwoMutexes":     setUnderTwoMutexes,
	"SetAndAddAt":            setAndAddAt,
	"AtAndUpdate":            atAndUpdate,
	"SetBesideOtherPages":    setBesideOtherPages,
	"MapWithoutMutex":        mapWithoutMutex,
	"MapUnderReadLocks":      mapUnderReadLocks,
	"MapUnderDifferentLocks": mapUnderDifferentLocks,
}

func main() {
	mp.Init()
	play, ok := scenes[os.Args[1]]
	if !ok {
		for _, name := range slices.Sorted(maps.Keys(scenes)) {
			fmt.Println(name)
		}
		return
	}
	play()
}

// both runs two functions in goroutines that nothing orders.
func both(first, second func()) {
	var done sync.WaitGroup
	done.Go(first)
	done.Go(second)
	done.Wait()
}

// unordered is both, but the second function begins when the first has ended,
// unknown to the detector: it does not see what happens to shared memory.
func unordered(first, second func()) {
	a := must(mp.NewArray[int32](1))
	turn := &a.Slice()[0]
	both(func() {
		first()
		atomic.StoreInt32(turn, 1)
	}, func() {
		for atomic.LoadInt32(turn) == 0 {
			runtime.Gosched()
		}
		second()
	})
	runtime.KeepAlive(a)
}

// twice runs the same function in two goroutines.
func twice(f func()) { both(f, f) }

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

const rounds = 100

// Right.

func mapUnderMutex() {
	m := must(mp.NewMutex())
	counts := map[string]int{}
	twice(func() {
		for range rounds {
			check(m.With(ctx, func() error { counts["n"]++; return nil }))
		}
	})
	fmt.Println(counts["n"])
}

func mapUnderMutexOfTwoHandles() {
	m := must(mp.NewMutex())
	counts := map[string]int{}
	add := func(m *mp.Mutex) func() {
		return func() {
			for range rounds {
				check(m.Lock(ctx))
				counts["n"]++
				check(m.Unlock())
			}
		}
	}
	both(add(m), add(through(m)))
}

// through sends a handle through a queue, which makes another one.
func through[T any](handle T) T {
	q := must(mp.NewQueue[T](1))
	check(q.Put(ctx, handle))
	return must(q.Get(ctx))
}

func mapThroughQueue() {
	there, back := must(mp.NewQueue[int](1)), must(mp.NewQueue[int](1))
	counts := map[string]int{}
	both(func() {
		for i := range rounds {
			counts["n"]++
			check(there.Put(ctx, i))
			must(back.Get(ctx))
		}
	}, func() {
		for i := range rounds {
			must(there.Get(ctx))
			counts["n"]++
			check(back.Put(ctx, i))
		}
	})
}

func mapThroughQueueOfParcels() {
	q := must(mp.NewQueue[string](1))
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(q.Put(ctx, string(make([]byte, 1<<16))))
	}, func() {
		must(q.Get(ctx))
		counts["n"]++
	})
}

func mapUnderRWMutex() {
	m := must(mp.NewRWMutex())
	counts := map[string]int{}
	twice(func() {
		for range rounds {
			check(m.RLock(ctx))
			n := counts["n"]
			check(m.RUnlock())
			check(m.Lock(ctx))
			counts["n"] += n
			check(m.Unlock())
		}
	})
}

func mapUnderRLock() {
	l := must(mp.NewRLock())
	counts := map[string]int{}
	twice(func() {
		h := l.Holder()
		for range rounds {
			check(h.Lock(ctx))
			check(h.Lock(ctx))
			counts["n"]++
			check(h.Unlock())
			counts["n"]++
			check(h.Unlock())
		}
	})
}

func mapUnderCond() {
	m := must(mp.NewMutex())
	c := must(mp.NewCond(m))
	counts := map[string]int{}
	both(func() {
		check(m.Lock(ctx))
		check(c.WaitFor(ctx, func() bool { return counts["n"] == 1 }))
		counts["n"]++
		check(m.Unlock())
	}, func() {
		check(m.Lock(ctx))
		counts["n"]++
		check(c.NotifyAll())
		check(m.Unlock())
	})
}

func mapUnderSemaphore() {
	s := must(mp.NewSemaphore(1))
	counts := map[string]int{}
	twice(func() {
		for range rounds {
			check(s.Acquire(ctx))
			counts["n"]++
			check(s.Release(1))
		}
	})
}

func mapUnderBoundedSemaphore() {
	s := must(mp.NewBoundedSemaphore(1))
	counts := map[string]int{}
	twice(func() {
		for range rounds {
			check(s.Acquire(ctx))
			counts["n"]++
			check(s.Release())
		}
	})
}

func mapAcrossBarrier() {
	b := must(mp.NewBarrier(2))
	var counts [2]map[string]int
	use := func(mine int) func() {
		return func() {
			for i := range rounds {
				counts[mine] = map[string]int{"n": i}
				must(b.Wait(ctx))
				_ = counts[1-mine]["n"]
				must(b.Wait(ctx))
			}
		}
	}
	both(use(0), use(1))
}

func mapMadeOnce() {
	o := must(mp.NewOnce())
	var counts map[string]int
	twice(func() {
		for range rounds {
			check(o.Do(ctx, func() error { counts = map[string]int{"n": 1}; return nil }))
			_ = counts["n"]
		}
	})
}

func mapAnnouncedByEvent() {
	e := must(mp.NewEvent())
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(e.Set())
	}, func() {
		check(e.Wait(ctx))
		counts["n"]++
	})
}

func mapAnnouncedByClear() {
	e := must(mp.NewEvent())
	check(e.Set())
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(e.Clear())
	}, func() {
		for e.IsSet() {
		}
		counts["n"]++
	})
}

// beforeABreak has a party wait at a barrier that another goroutine breaks.
func beforeABreak(parties int, breaks func(b *mp.Barrier)) {
	b := must(mp.NewBarrier(parties))
	counts := map[string]int{}
	both(func() {
		for b.Waiting() == 0 {
		}
		counts["n"]++
		breaks(b)
	}, func() {
		if _, err := b.Wait(ctx); !errors.Is(err, mp.ErrBrokenBarrier) {
			panic(err)
		}
		counts["n"]++
	})
}

func mapBeforeAbort() { beforeABreak(2, func(b *mp.Barrier) { check(b.Abort()) }) }
func mapBeforeReset() { beforeABreak(2, func(b *mp.Barrier) { check(b.Reset()) }) }

func mapBeforeGivingUp() {
	beforeABreak(3, func(b *mp.Barrier) {
		soon, cancel := context.WithCancel(ctx)
		go func() {
			for b.Waiting() < 2 { // who gives up before it has come breaks nothing
				runtime.Gosched()
			}
			cancel()
		}()
		if _, err := b.Wait(soon); !errors.Is(err, context.Canceled) {
			panic(err)
		}
	})
}

func mapBeforeAFailedAction() {
	failure := errors.New("the action fails")
	beforeABreak(2, func(b *mp.Barrier) {
		check(b.SetAction(func() error { return failure }))
		if _, err := b.Wait(ctx); !errors.Is(err, failure) {
			panic(err)
		}
	})
}

func mapBeforeClose() {
	q := must(mp.NewQueue[int](1))
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(q.Close())
	}, func() {
		if _, err := q.Get(ctx); !errors.Is(err, mp.ErrClosed) {
			panic(err)
		}
		counts["n"]++
	})
}

func mapBeforeCloseOfAFull() {
	q := must(mp.NewQueue[int](1))
	check(q.Put(ctx, 1))
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(q.Close())
	}, func() {
		if err := q.Put(ctx, 2); !errors.Is(err, mp.ErrClosed) {
			panic(err)
		}
		counts["n"]++
	})
}

// Of two who want to repair, the one that comes too late sees what the other did.
func mapRepaired() {
	m := must(mp.NewMutex())
	if _, err := diesLocked.Run(ctx, m); err == nil {
		panic("it lives")
	}
	counts := map[string]int{}
	twice(func() {
		err := m.Lock(ctx)
		for errors.Is(err, mp.ErrOwnerDied) {
			if err = m.Recover(ctx, func() error { counts["n"]++; return nil }); err == nil || errors.Is(err, mp.ErrHealthy) {
				err = m.Lock(ctx)
			}
		}
		check(err)
		counts["n"]++
		check(m.Unlock())
	})
}

func mapAnnouncedByValue() {
	v := must(mp.NewValue[int32](0))
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(v.Store(1))
	}, func() {
		for v.Load() == 0 {
		}
		counts["n"]++
	})
}

func mapAnnouncedByLargeValue() {
	v := must(mp.NewValue([4]int{}))
	counts := map[string]int{}
	both(func() {
		counts["n"]++
		check(v.Update(ctx, func(p *[4]int) { p[3] = 1 }))
	}, func() {
		for v.Load()[3] == 0 {
		}
		counts["n"]++
	})
}

func mapUnderSpinLock() {
	small, large := must(mp.NewValue(false)), must(mp.NewValue([2]int{}))
	counts := map[string]int{}
	twice(func() {
		for range rounds {
			for !must(small.CompareAndSwap(false, true)) {
			}
			counts["n"]++
			must(small.Swap(false))
		}
	})
	twice(func() {
		for range rounds {
			for !must(large.CompareAndSwap([2]int{}, [2]int{1, 1})) {
			}
			counts["n"]++
			check(large.Store([2]int{}))
		}
	})
}

func mapCountedDown() {
	v := must(mp.NewValue(0))
	counts := map[string]int{}
	last := func() { // of the two makes the map its own
		if must(mp.Add(v, 1)) == 2 {
			counts["n"]++
		}
	}
	both(func() { counts["n"]++; last() }, last)
}

func mapCountedDownInArray() {
	a := must(mp.NewArray[int16](2))
	counts := map[string]int{}
	last := func() {
		if mp.AddAt(a, 1, 1) == 2 {
			counts["n"]++
		}
	}
	both(func() { counts["n"]++; last() }, last)
}

func value() {
	v := must(mp.NewValue[uint16](0))
	twice(func() {
		for range rounds {
			must(mp.Add(v, 1))
			check(v.Store(v.Load()))
			must(v.Swap(1))
			must(v.CompareAndSwap(1, 2))
			check(v.Update(ctx, func(p *uint16) { *p++ }))
			_ = v.String()
		}
	})
}

func largeValue() {
	v := must(mp.NewValue([3]int{}))
	twice(func() {
		for range rounds {
			check(v.Store(v.Load()))
			must(v.Swap([3]int{}))
			must(v.CompareAndSwap([3]int{}, [3]int{1}))
			check(v.Update(ctx, func(p *[3]int) { p[0]++ }))
			_ = v.String()
		}
	})
}

func elementUnderMutex() {
	m, a := must(mp.NewMutex()), must(mp.NewArray[int64](10))
	twice(func() {
		for range rounds {
			check(m.Lock(ctx))
			a.Set(3, a.At(3)+1)
			check(m.Unlock())
		}
	})
	fmt.Println(a.At(3))
}

func elementsUnderUpdate() {
	a := must(mp.NewArray[int64](10))
	twice(func() {
		for range rounds {
			check(a.Update(ctx, func(elements []int64) { elements[3]++; a.Set(4, a.At(4)+1) }))
		}
	})
	fmt.Println(a.At(3), a.At(4))
}

func neighbouringElements() {
	a := must(mp.NewArray[uint8](100_000))
	use := func(first int) func() {
		return func() {
			for i := first; i < a.Len(); i += 2 {
				a.Set(i, a.At(i)+1)
			}
		}
	}
	both(use(0), use(1))
}

func addAt() {
	small, large := must(mp.NewArray[int8](4)), must(mp.NewArray[int64](4))
	twice(func() {
		for i := range rounds {
			mp.AddAt(small, i%4, 1)
			mp.AddAt(large, i%4, 1)
		}
	})
}

func addAtNextToSet() {
	a := must(mp.NewArray[uint8](4))
	both(func() { mp.AddAt(a, 1, 1) }, func() { a.Set(2, a.At(2)+1) })
}

func elementsWithoutSize() {
	a := must(mp.NewArray[struct{}](1 << 40))
	twice(func() { a.Set(1<<39, a.At(1<<38)) })
}

// diesLocked ends while it holds the lock.
var diesLocked = mp.Register("diesLocked", func(ctx context.Context, m *mp.Mutex) (int, error) {
	check(m.Lock(ctx))
	os.Exit(1)
	return 0, nil
})

// What one queue brings goes into the other one, in another process.
var echo = mp.Register("echo", func(ctx context.Context, q [2]*mp.Queue[int]) (int, error) {
	n, err := q[0].Get(ctx)
	if err == nil && q[1] != nil {
		err = q[1].Put(ctx, n)
	}
	return n, err
})

func elementThroughAnotherProcess() {
	there, back := must(mp.NewQueue[int](1)), must(mp.NewQueue[int](1))
	a := must(mp.NewArray[int](1))
	child := must(echo.Start(ctx, [2]*mp.Queue[int]{there, back}))
	both(func() {
		a.Set(0, 1)
		check(there.Put(ctx, 1))
	}, func() {
		must(back.Get(ctx))
		a.Set(0, 2)
	})
	check(child.Wait(ctx))
}

func elementThroughAnEnd() {
	there := must(mp.NewQueue[int](1))
	a := must(mp.NewArray[int](1))
	child := must(echo.Start(ctx, [2]*mp.Queue[int]{there, nil}))
	both(func() {
		a.Set(0, 1)
		check(there.Put(ctx, 1))
	}, func() {
		check(child.Wait(ctx))
		a.Set(0, 2)
	})
}

func elementThroughATask() {
	pool := must(mp.NewPool(ctx, 1))
	there := must(mp.NewQueue[int](1))
	a := must(mp.NewArray[int](1))
	both(func() {
		a.Set(0, 1)
		check(there.Put(ctx, 1))
	}, func() {
		must(echo.Call(ctx, pool, [2]*mp.Queue[int]{there, nil}))
		a.Set(0, 2)
	})
	check(pool.Close())
}

// Wrong.

func setAndSet() {
	a := must(mp.NewArray[int64](10))
	set := func() { a.Set(3, 1) }
	unordered(set, set)
}

func setAndAt() {
	a := must(mp.NewArray[uint8](10))
	unordered(func() { a.Set(3, 1) }, func() { _ = a.At(3) })
}

func setAndAtOfStructs() {
	a := must(mp.NewArray[[100]int](10))
	unordered(func() { a.Set(9, [100]int{}) }, func() { _ = a.At(9) })
}

func setThroughTwoHandles() {
	a := must(mp.NewArray[int64](10))
	b := through(a)
	unordered(func() { a.Set(3, 1) }, func() { b.Set(3, 1) })
}

func setUnderTwoMutexes() {
	a := must(mp.NewArray[int64](10))
	set := func() {
		m := must(mp.NewMutex())
		for range rounds {
			check(m.With(ctx, func() error { a.Set(3, 1); return nil }))
		}
	}
	unordered(set, set)
}

func setAndAddAt() {
	a := must(mp.NewArray[int64](10))
	unordered(func() { a.Set(3, 1) }, func() { mp.AddAt(a, 3, 1) })
}

func atAndUpdate() {
	a := must(mp.NewArray[int64](10))
	unordered(func() { _ = a.At(3) }, func() { check(a.Update(ctx, func(e []int64) { e[3] = 1 })) })
}

// Both use a second page after the common element: making it must not order them.
func setBesideOtherPages() {
	a := must(mp.NewArray[int64](1 << 20))
	unordered(func() {
		a.Set(0, 1)
		a.Set(1<<19, 1)
	}, func() {
		_ = a.At(1<<19 + 1)
		a.Set(0, 1)
	})
}

func mapWithoutMutex() {
	m := must(mp.NewMutex())
	counts := map[string]int{}
	unordered(func() {
		check(m.With(ctx, func() error { counts["n"]++; return nil }))
	}, func() {
		counts["n"]++
	})
}

func mapUnderReadLocks() {
	m := must(mp.NewRWMutex())
	counts := map[string]int{}
	add := func() {
		check(m.RLock(ctx))
		counts["n"]++
		check(m.RUnlock())
	}
	unordered(add, add)
}

func mapUnderDifferentLocks() {
	m, v := must(mp.NewMutex()), must(mp.NewValue(0))
	counts := map[string]int{}
	unordered(func() {
		check(m.With(ctx, func() error { counts["n"]++; return nil }))
	}, func() {
		check(v.Update(ctx, func(*int) { counts["n"]++ }))
	})
}
