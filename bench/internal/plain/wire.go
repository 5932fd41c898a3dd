package plain

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// A wire is a stream of bytes in each direction between two processes.
type wire struct {
	out io.WriteCloser
	in  io.ReadCloser
}

func (w wire) Close() error {
	err := w.out.Close()
	_ = w.in.Close() // for a socket the same once more
	return err
}

// A kind makes wires of one kind.
type kind struct {
	name string
	// open makes the first process's end, and the files of the second's.
	open func() (wire, []*os.File, error)
	// adopt makes the second process's end of those files, which are its 3 and 4.
	adopt func() (wire, error)
}

var pipes = kind{
	name: "os.Pipe",
	open: func() (w wire, theirs []*os.File, err error) {
		theirIn, out, err := os.Pipe()
		if err != nil {
			return w, nil, err
		}
		in, theirOut, err := os.Pipe()
		if err != nil {
			return w, nil, err
		}
		return wire{out, in}, []*os.File{theirIn, theirOut}, nil
	},
	adopt: func() (wire, error) {
		return wire{in: inherited(3, "pipe in"), out: inherited(4, "pipe out")}, nil
	},
}

// inherited is a descriptor of this process that its parent gave it. It is made
// non-blocking, so that Go's poller waits for it and not a thread.
func inherited(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), name)
}

var sockets = kind{
	name: "unix socket",
	open: func() (w wire, theirs []*os.File, err error) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return w, nil, err
		}
		conn, err := connection(os.NewFile(uintptr(fds[0]), "socket"))
		return wire{conn, conn}, []*os.File{os.NewFile(uintptr(fds[1]), "socket")}, err
	},
	adopt: func() (wire, error) {
		conn, err := connection(os.NewFile(3, "socket"))
		return wire{conn, conn}, err
	},
}

func connection(f *os.File) (net.Conn, error) {
	defer f.Close()
	return net.FileConn(f)
}

// works are what can be done over wires of a kind.
func (k kind) works() side.Works {
	return side.Works{side.RoundTrip: k.roundTrip, side.OneWay: k.oneWay, side.Bitmap: k.bitmap, side.Wake: k.wake}
}

// start starts the second process and makes the wire to it.
func (k kind) start(job side.Job) (wire, *side.Process, error) {
	w, theirs, err := k.open()
	if err != nil {
		return w, nil, err
	}
	second, err := side.StartSecond(k.name, job, theirs...)
	if err != nil {
		return w, nil, err
	}
	return w, second, cpu.Pin(job.CPU(0))
}

// second is the other process.
func (k kind) second(job side.Job) error {
	w, err := k.adopt()
	if err != nil {
		return err
	}
	if err := cpu.Pin(job.CPU(1)); err != nil {
		return err
	}
	switch job.Work {
	case side.OneWay:
		return w.writeAll(make([]byte, job.Size))
	case side.Bitmap:
		return w.fillAll(make([]byte, job.Size))
	case side.Wake:
		return w.wakeAgain()
	default:
		return w.echoAll(make([]byte, job.Size))
	}
}

// roundTrip: the second process sends back what it gets.
func (k kind) roundTrip(job side.Job) (side.Sample, error) {
	w, second, err := k.start(job)
	if err != nil {
		return side.Sample{}, err
	}
	defer second.Close()
	defer w.Close()
	b := make([]byte, job.Size)
	return gauge.Latency(gauge.Func(func() error { return w.exchange(b) }), job.Budget)
}

// wake: the second process sends the time to this one, who waits for it.
func (k kind) wake(job side.Job) (side.Sample, error) {
	w, second, err := k.start(job)
	if err != nil {
		return side.Sample{}, err
	}
	defer second.Close()
	defer w.Close()
	b := make([]byte, 8)
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		_, err := io.ReadFull(w.in, b)
		return time.Duration(cpu.Now() - int64(binary.LittleEndian.Uint64(b))), err
	})
}

func (w wire) wakeAgain() error {
	for {
		gauge.LetSleep()
		if _, err := w.out.Write(binary.LittleEndian.AppendUint64(nil, uint64(cpu.Now()))); err != nil {
			return nil // the first process is done
		}
	}
}

func (w wire) exchange(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(w.in, b)
	return err
}

func (w wire) echoAll(b []byte) error {
	for {
		if _, err := io.ReadFull(w.in, b); err != nil {
			return nil // the first process has closed
		}
		if _, err := w.out.Write(b); err != nil {
			return nil
		}
	}
}

// oneWay: the second process writes, a message at a time, until it is killed.
func (k kind) oneWay(job side.Job) (side.Sample, error) {
	w, second, err := k.start(job)
	if err != nil {
		return side.Sample{}, err
	}
	defer second.Kill()
	defer w.Close()
	m := gauge.NewMeter(gauge.Burst(job.Size), job.Budget)
	for b := make([]byte, job.Size); m.Tick(1); {
		if _, err := io.ReadFull(w.in, b); err != nil {
			return side.Sample{}, err
		}
		gauge.Read(b)
	}
	return m.Tally().Throughput(), nil
}

func (w wire) writeAll(b []byte) error {
	for {
		if _, err := w.out.Write(b); err != nil {
			return nil
		}
	}
}

// bitmap: the second process fills a buffer when it is told to, and sends it with
// the time at which that was done.
func (k kind) bitmap(job side.Job) (side.Sample, error) {
	w, second, err := k.start(job)
	if err != nil {
		return side.Sample{}, err
	}
	defer second.Close()
	defer w.Close()
	b := make([]byte, job.Size)
	return gauge.Events(job.Budget, func() (took time.Duration, err error) {
		if _, err := w.out.Write([]byte{1}); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(w.in, b); err != nil {
			return 0, err
		}
		return gauge.SinceFilled(b), nil
	})
}

func (w wire) fillAll(b []byte) error {
	for turn := byte(1); ; turn++ {
		if _, err := io.ReadFull(w.in, make([]byte, 1)); err != nil {
			return nil
		}
		gauge.Fill(b, turn)
		if _, err := w.out.Write(b); err != nil {
			return nil
		}
	}
}
