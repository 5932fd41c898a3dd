package plain

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

const flockName = "flock"

// fileLock is what lockedfile and its kind do: flock on a file, here one in memory.
var fileLock = side.Works{
	side.MutexAlone:     flockAlone,
	side.MutexContended: flockContended,
	side.Takeover:       flockTakeover,
	side.Blocked:        flockBlocked,
}

// A flocked is this process's own open file, which is what flock locks.
type flocked struct{ fd int }

func newFlocked() (flocked, *os.File, error) {
	fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
	if err != nil {
		return flocked{}, nil, err
	}
	f := os.NewFile(uintptr(fd), "lock")
	mine, err := reopen(fd)
	return mine, f, err
}

// reopen opens a file once more: who has a descriptor from somebody else has its
// lock, too.
func reopen(fd int) (flocked, error) {
	mine, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	return flocked{mine}, err
}

func (f flocked) lock() error {
	for {
		if err := unix.Flock(f.fd, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

// Do locks and unlocks n times.
func (f flocked) Do(n int) error {
	for range n {
		if err := f.lock(); err != nil {
			return err
		}
		if err := unix.Flock(f.fd, unix.LOCK_UN); err != nil {
			return err
		}
	}
	return nil
}

func flockAlone(job side.Job) (side.Sample, error) {
	mine, _, err := newFlocked()
	if err != nil {
		return side.Sample{}, err
	}
	if err := cpu.Pin(job.CPU(0)); err != nil {
		return side.Sample{}, err
	}
	return gauge.Latency(mine, job.Budget)
}

// startTime is more than the start of a second process takes.
const startTime = 10 * time.Millisecond

// flockContended: the second processes count.
func flockContended(job side.Job) (side.Sample, error) {
	_, file, err := newFlocked()
	if err != nil {
		return side.Sample{}, err
	}
	job.Opens = gauge.Opening(job.Budget) + int64(job.Workers)*int64(startTime)
	counters := make([]*side.Process, job.Workers)
	for i := range counters {
		counter := job
		counter.CPUs = []int{job.CPU(i)}
		if counters[i], err = startFlocked(counter, file); err != nil {
			return side.Sample{}, err
		}
		defer counters[i].Kill()
	}
	var sum gauge.Tally
	for _, c := range counters {
		var t gauge.Tally
		if err := json.NewDecoder(c.Says).Decode(&t); err != nil {
			return side.Sample{}, err
		}
		sum = gauge.Sum(sum, t)
	}
	return sum.Cost(), nil
}

// startFlocked starts a second process that has the file as its own.
func startFlocked(job side.Job, file *os.File) (*side.Process, error) {
	theirs, err := reopen(int(file.Fd()))
	if err != nil {
		return nil, err
	}
	return side.StartSecond(flockName, job, os.NewFile(uintptr(theirs.fd), "lock"))
}

// flockSecond is a second process: it counts, or holds the lock for ever.
func flockSecond(job side.Job) error {
	mine := flocked{3}
	if job.Work != side.MutexContended {
		if err := mine.lock(); err != nil {
			return err
		}
		fmt.Println("locked")
		select {}
	}
	if err := cpu.Pin(job.CPU(0)); err != nil {
		return err
	}
	m := gauge.NewMeterAt(8, job.Budget, job.Opens)
	for m.Tick(1) {
		if err := mine.Do(1); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(m.Tally())
}

// hold has a second process hold the lock.
func hold(job side.Job, file *os.File) (*side.Process, error) {
	holder, err := startFlocked(job, file)
	if err != nil {
		return nil, err
	}
	_, err = holder.Says.ReadString('\n')
	return holder, err
}

// flockTakeover: the holder is killed while this process waits.
func flockTakeover(job side.Job) (side.Sample, error) {
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		mine, file, err := newFlocked()
		if err != nil {
			return 0, err
		}
		defer file.Close()
		defer unix.Close(mine.fd)
		holder, err := hold(job, file)
		if err != nil {
			return 0, err
		}
		got := make(chan time.Time, 1)
		go func() {
			if mine.lock() == nil {
				got <- time.Now()
			}
		}()
		gauge.LetWait()
		killed := time.Now()
		holder.Kill()
		return (<-got).Sub(killed), nil
	})
}

// fewer is how many goroutines wait here: each takes a thread.
const fewer = 500

func flockBlocked(job side.Job) (side.Sample, error) {
	_, file, err := newFlocked()
	if err != nil {
		return side.Sample{}, err
	}
	holder, err := hold(job, file)
	if err != nil {
		return side.Sample{}, err
	}
	n, before := min(job.Goroutines, fewer), gauge.Threads()
	var all sync.WaitGroup
	for range n {
		mine, err := reopen(int(file.Fd()))
		if err != nil {
			return side.Sample{}, err
		}
		all.Go(func() {
			_ = mine.lock()
			_ = unix.Close(mine.fd)
		})
	}
	threads := gauge.SettledThreads() - before
	holder.Kill()
	all.Wait()
	return side.Sample{Figure: float64(threads), Count: n, Note: fmt.Sprintf("%d goroutines", n)}, nil
}
