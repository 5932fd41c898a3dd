package mp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func BenchmarkMutexUncontended(b *testing.B) {
	m, err := NewMutex()
	require.NoError(b, err)
	ctx := b.Context()
	for b.Loop() {
		if err := m.Lock(ctx); err != nil {
			b.Fatal(err)
		}
		if err := m.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, m.Free())
}

// Elements of a stage's array that these benchmarks use.
const (
	stopAt   = 6 // not 0: end
	lockedAt = 7 // how often the lock was had; guarded by it
)

func init() {
	acts["lock on"] = func(ctx context.Context, p *player) error {
		p.enter("lock on")
		counts := p.Array.Slice()
		for atomic.LoadInt64(&counts[stopAt]) == 0 {
			if err := lockAndCount(ctx, p.Mutex, counts); err != nil {
				return err
			}
		}
		return nil
	}
}

func lockAndCount(ctx context.Context, m *Mutex, counts []int64) error {
	if err := m.Lock(ctx); err != nil {
		return err
	}
	counts[lockedAt]++
	return m.Unlock()
}

// Two processes do nothing but lock and unlock. ns/lock counts the locks of both.
func BenchmarkMutexContended(b *testing.B) {
	for _, goroutines := range []int{1, 8} {
		b.Run(fmt.Sprintf("2processes/%dgoroutines", goroutines), func(b *testing.B) {
			s := buildStage(b)
			other, counts := s.hire(b), s.Array.Slice()
			for range goroutines {
				other.enters("lock on")
			}
			var all sync.WaitGroup
			before := counts[lockedAt] // hardly wrong
			b.ResetTimer()
			for g := range goroutines {
				all.Go(func() {
					for i := g; i < b.N; i += goroutines {
						if err := lockAndCount(b.Context(), s.Mutex, counts); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(counts[lockedAt]-before), "ns/lock")
			atomic.StoreInt64(&counts[stopAt], 1)
			for range goroutines {
				other.hear("lock on", nil)
			}
		})
	}
}

// From the kill of an owner until the next one is told, who waits; with
// -benchtime=200x it is that of 200 kills.
func BenchmarkTakeover(b *testing.B) {
	s := buildStage(b)
	ctx := context.Background()
	var times []time.Duration
	for b.Loop() {
		a := s.hire(b)
		a.does("lock")
		told := make(chan time.Time, 1)
		next := begin(func() error {
			err := s.Mutex.Lock(ctx)
			told <- time.Now()
			return err
		})
		eventually(b, func() bool { return ownerships[0].asleep(s) && asleepInKernel(b, os.Getpid()) > 0 }, "somebody who sleeps")
		killed := time.Now()
		require.NoError(b, a.Kill())
		require.ErrorIs(b, <-next, ErrOwnerDied)
		times = append(times, (<-told).Sub(killed))
		require.NoError(b, s.Mutex.Recover(ctx, nil))
		<-a.Done()
	}
	slices.Sort(times)
	b.ReportMetric(0, "ns/op") // it is mostly that of starting a process
	b.ReportMetric(milliseconds(times[len(times)/2]), "median-ms")
	b.ReportMetric(milliseconds(times[len(times)-1]), "max-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Ten thousand goroutines wait for one object, and are let go.
func BenchmarkTenThousandBlocked(b *testing.B) {
	const n = 10_000
	for _, c := range []struct {
		name    string
		own     func(ctx context.Context, s *stage) error
		wait    func(ctx context.Context, s *stage) error
		release func(s *stage) error
	}{
		{
			"Mutex", func(ctx context.Context, s *stage) error { return s.Mutex.Lock(ctx) },
			func(ctx context.Context, s *stage) error { return s.Mutex.With(ctx, nothing) },
			func(s *stage) error { return s.Mutex.Unlock() },
		},
		{
			"Semaphore", func(context.Context, *stage) error { return nil },
			func(ctx context.Context, s *stage) error { return s.Sem.Acquire(ctx) },
			func(s *stage) error { return s.Sem.Release(n) },
		},
		{
			"Event", func(_ context.Context, s *stage) error { return s.Event.Clear() },
			func(ctx context.Context, s *stage) error { return s.Event.Wait(ctx) },
			func(s *stage) error { return s.Event.Set() },
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := buildStage(b)
			ctx := context.Background()
			var longest time.Duration
			most, before := 0, threads(b)
			for b.Loop() {
				require.NoError(b, c.own(ctx, s))
				idle := parked()
				var all sync.WaitGroup
				for range n {
					all.Go(func() {
						if err := c.wait(ctx, s); err != nil {
							b.Error(err)
						}
					})
				}
				eventually(b, func() bool { return parked() >= idle+n-1 }, "all but one are parked") // that one sleeps for all
				most = max(most, threads(b))
				released := time.Now()
				require.NoError(b, c.release(s))
				all.Wait()
				longest = max(longest, time.Since(released))
				most = max(most, threads(b))
			}
			b.ReportMetric(float64(most-before), "threads")
			b.ReportMetric(milliseconds(longest), "release-ms")
		})
	}
}

// parked is the number of goroutines that wait for others.
func parked() int {
	m := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(m)
	return int(m[0].Value.Uint64())
}

// threads is the number of threads of this process.
func threads(t testing.TB) int {
	all, err := filepath.Glob("/proc/self/task/*")
	require.NoError(t, err)
	return len(all)
}

// What a Mutex costs to make, and what of the arena it takes.
func BenchmarkNewMutex(b *testing.B) {
	const batch = 4096
	a, err := arena()
	require.NoError(b, err)
	var all []freer
	free := func() {
		b.StopTimer()
		giveBack(b, all)
		all = all[:0]
		b.StartTimer()
	}
	before := a.Stats().Units
	most := before
	for b.Loop() {
		m, err := NewMutex()
		if err != nil {
			b.Fatal(err)
		}
		if all = append(all, m); len(all) == batch {
			b.StopTimer()
			most = max(most, a.Stats().Units)
			free()
		}
	}
	if most > before {
		b.ReportMetric(float64((most-before)*64<<10)/batch, "arena-B")
	}
	free()
}

// A process whose goroutines all wait, each for another object, does nothing. What
// it does nevertheless is told for two seconds of that.
func BenchmarkBlockedProcess(b *testing.B) {
	s := buildStage(b)
	ctx := context.Background()
	require.NoError(b, s.Mutex.Lock(ctx))
	require.NoError(b, s.RW.Lock(ctx))
	require.NoError(b, s.Bounded.Acquire(ctx))
	a := s.hire(b)
	waits := []string{"lock", "write", "read", "acquire", "take", "await", "wait", "meet"}
	for n, act := range waits {
		a.tell(act)
		eventually(b, func() bool { return asleepInKernel(b, a.PID()) > n+1 }, "one more that sleeps")
	}
	var used time.Duration
	for b.Loop() {
		before := cpuTime(b, a.PID())
		time.Sleep(2 * time.Second) // what is measured is the time itself
		used = max(used, cpuTime(b, a.PID())-before)
	}
	b.ReportMetric(float64(used.Microseconds()), "cpu-µs/2s")
}

// cpuTime is what all threads of a process have used.
func cpuTime(t testing.TB, pid int) (used time.Duration) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		var ns int64
		_, err = fmt.Sscan(string(text), &ns)
		require.NoError(t, err)
		used += time.Duration(ns)
	}
	return used
}

// To touch an Array costs what to touch memory costs: for the first time, when the
// kernel maps each page, and again.
func BenchmarkTouch(b *testing.B) {
	const size, page = 64 << 20, 4 << 10
	touch := func(mem []byte) {
		for i := 0; i < len(mem); i += page {
			mem[i]++
		}
	}
	for name, lay := range map[string]func() (mem []byte, free func()){
		"array": func() ([]byte, func()) {
			a, err := NewArray[byte](size)
			require.NoError(b, err)
			return a.Slice(), func() { require.NoError(b, a.Free()) }
		},
		"slice": func() ([]byte, func()) { return make([]byte, size), debug.FreeOSMemory },
	} {
		b.Run("made/"+name, func(b *testing.B) {
			for b.Loop() {
				_, free := lay()
				b.StopTimer()
				free()
				b.StartTimer()
			}
			b.SetBytes(size)
		})
		b.Run("first/"+name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				mem, free := lay()
				b.StartTimer()
				touch(mem)
				b.StopTimer()
				free()
				b.StartTimer()
			}
			b.SetBytes(size)
		})
		b.Run("again/"+name, func(b *testing.B) {
			mem, free := lay()
			touch(mem)
			for b.Loop() {
				touch(mem)
			}
			free()
			b.SetBytes(size)
		})
	}
}
