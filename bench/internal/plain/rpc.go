package plain

import (
	"net/rpc"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

const rpcName = "net/rpc"

// remote is net/rpc over a unix socket to a second process that this one started.
var remote = side.Works{
	side.Call:   rpcCall,
	side.Map:    rpcMap,
	side.Bitmap: rpcBitmap,
}

// Bench is what the second process serves.
type Bench struct{ picture []byte }

// Double is the task of Call and Map.
func (*Bench) Double(n int, doubled *int) error {
	*doubled = 2 * n
	return nil
}

// Fill is the task of Bitmap.
func (b *Bench) Fill(size int, picture *[]byte) error {
	if len(b.picture) != size {
		b.picture = make([]byte, size)
	}
	gauge.Fill(b.picture, 7)
	*picture = b.picture
	return nil
}

// rpcServer is the second process.
func rpcServer(job side.Job) error {
	conn, err := connection(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	if err := cpu.Pin(job.CPU(1)); err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.Register(new(Bench)); err != nil {
		return err
	}
	server.ServeConn(conn)
	return nil
}

// A client is connected to a server, which lives as long.
type client struct {
	*rpc.Client
	server *side.Process
}

// dial starts a server and connects to it.
func dial(job side.Job) (*client, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	server, err := side.StartSecond(rpcName, job, os.NewFile(uintptr(fds[1]), "socket"))
	if err != nil {
		return nil, err
	}
	conn, err := connection(os.NewFile(uintptr(fds[0]), "socket"))
	return &client{rpc.NewClient(conn), server}, err
}

func rpcCall(job side.Job) (side.Sample, error) {
	c, err := dial(job)
	if err != nil {
		return side.Sample{}, err
	}
	defer c.server.Kill()
	if err := cpu.Pin(job.CPU(0)); err != nil {
		return side.Sample{}, err
	}
	return gauge.Latency(gauge.Func(func() error {
		return c.Call("Bench.Double", 21, new(int))
	}), job.Budget)
}

// rpcMap keeps each of several servers busy.
func rpcMap(job side.Job) (side.Sample, error) {
	clients := make([]*client, job.Workers)
	for i := range clients {
		worker := job
		worker.CPUs = nil
		var err error
		if clients[i], err = dial(worker); err != nil {
			return side.Sample{}, err
		}
		defer clients[i].server.Kill()
	}
	const window = 16 // calls under way at each server
	sum := together(job.Workers*window, func(i int) gauge.Tally {
		m := gauge.NewMeter(16, job.Budget)
		c := clients[i%len(clients)]
		for n := 0; m.Tick(1); n++ {
			if err := c.Call("Bench.Double", n, new(int)); err != nil {
				break
			}
		}
		return m.Tally()
	})
	return sum.Throughput(), nil
}

func rpcBitmap(job side.Job) (side.Sample, error) {
	c, err := dial(job)
	if err != nil {
		return side.Sample{}, err
	}
	defer c.server.Kill()
	if err := cpu.Pin(job.CPU(0)); err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		var picture []byte
		if err := c.Call("Bench.Fill", job.Size, &picture); err != nil {
			return 0, err
		}
		return gauge.SinceFilled(picture), nil
	})
}
