package plain

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

const futexName = "a futex in Go"

// bareFutex is what a Go program can do that only wants to be woken.
var bareFutex = side.Works{side.Wake: futexWake}

// A bed is memory in which one process sleeps and which another one wakes.
type bed struct {
	since *shared.Uint64 // when the waker was about to wake
	turn  *shared.Uint32 // raised by each wake-up
}

const bedSize = 4096

func openBed(f *os.File) (bed, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, bedSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return bed{}, fmt.Errorf("memory of two processes: %w", err)
	}
	return bed{shm.At[shared.Uint64](mem, 0), shm.At[shared.Uint32](mem, 128)}, nil
}

// futexWake: the second process wakes this one.
func futexWake(job side.Job) (side.Sample, error) {
	fd, err := unix.MemfdCreate("bed", unix.MFD_CLOEXEC)
	if err != nil {
		return side.Sample{}, err
	}
	file := os.NewFile(uintptr(fd), "bed")
	if err := file.Truncate(bedSize); err != nil {
		return side.Sample{}, err
	}
	b, err := openBed(file)
	if err != nil {
		return side.Sample{}, err
	}
	waker, err := side.StartSecond(futexName, job, file)
	if err != nil {
		return side.Sample{}, err
	}
	defer waker.Kill()
	if err := cpu.Pin(job.CPU(0)); err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, b.sleep)
}

func (b bed) sleep() (time.Duration, error) {
	for turn := b.turn.Load(); b.turn.Load() == turn; {
		if err := sys.FutexWait(b.turn, turn, 0); err != nil {
			return 0, err
		}
	}
	return time.Duration(cpu.Now() - int64(b.since.Load())), nil
}

// futexSecond wakes the first process again and again.
func futexSecond(job side.Job) error {
	b, err := openBed(os.NewFile(3, "bed"))
	if err != nil {
		return err
	}
	if err := cpu.Pin(job.CPU(1)); err != nil {
		return err
	}
	for {
		gauge.LetSleep()
		b.since.Store(uint64(cpu.Now()))
		b.turn.Add(1)
		sys.FutexWake(b.turn, 1)
	}
}
