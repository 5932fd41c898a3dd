// Package plugin is hashicorp's go-plugin, over net/rpc and over gRPC: what Go
// programs use most when they want a part of themselves in another process.
package plugin

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// Names of the two kinds in tables.
const (
	NetRPC = "go-plugin net/rpc"
	GRPC   = "go-plugin gRPC"
)

// A Worker is what the plugin does.
type Worker interface {
	Double(n int) (int, error)
	Fill(size int) ([]byte, error)
	Pin(cpu int) error
}

// worker does it in the plugin's process.
type worker struct{ picture []byte }

func (worker) Double(n int) (int, error) { return 2 * n, nil }

func (w *worker) Fill(size int) ([]byte, error) {
	if len(w.picture) != size {
		w.picture = make([]byte, size)
	}
	gauge.Fill(w.picture, 7)
	return w.picture, nil
}

func (worker) Pin(n int) error { return cpu.Pin(n) }

var handshake = goplugin.HandshakeConfig{
	ProtocolVersion: 1, MagicCookieKey: "MP_BENCH_PLUGIN", MagicCookieValue: "worker",
}

// plugins are the kinds of plugin, each in a set of its own: from what is in a set
// the library finds out which of the two protocols to speak.
var plugins = map[string]goplugin.PluginSet{
	NetRPC: {NetRPC: netRPC{}},
	GRPC:   {GRPC: new(viaGRPC)},
}

var silent = hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard})

// serve is the plugin's process; it ends when the client says so.
func serve(kind string) {
	config := &goplugin.ServeConfig{HandshakeConfig: handshake, Plugins: plugins[kind], Logger: silent}
	if kind == GRPC {
		config.GRPCServer = newServer
	}
	goplugin.Serve(config)
}

// asPlugin is this program's first argument when it is a plugin; the second is the
// kind.
const asPlugin = "plugin"

// Play plays the plugin that the command line asks for, and reports whether it did.
func Play(args []string) bool {
	if len(args) != 2 || args[0] != asPlugin {
		return false
	}
	serve(args[1])
	return true
}

// dispense starts a plugin.
func dispense(kind string) (Worker, *goplugin.Client, error) {
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugins[kind],
		Cmd:              exec.Command("/proc/self/exe", asPlugin, kind),
		Logger:           silent,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolNetRPC, goplugin.ProtocolGRPC},
		GRPCDialOptions:  dialOptions,
	})
	connection, err := client.Client()
	if err != nil {
		return nil, client, err
	}
	dispensed, err := connection.Dispense(kind)
	if err != nil {
		return nil, client, err
	}
	w, ok := dispensed.(Worker)
	if !ok {
		return nil, client, fmt.Errorf("%s is a %T", kind, dispensed)
	}
	return w, client, nil
}

// Works are what a kind of plugin can do.
func Works(kind string) side.Works {
	with := func(f func(side.Job, Worker) (side.Sample, error)) side.Measure {
		return func(job side.Job) (side.Sample, error) {
			w, client, err := dispense(kind)
			defer client.Kill()
			if err != nil {
				return side.Sample{}, err
			}
			return f(job, w)
		}
	}
	return side.Works{
		side.Call:   with(call),
		side.Bitmap: with(bitmap),
		side.Start:  func(job side.Job) (side.Sample, error) { return start(job, kind) },
		side.Map:    func(job side.Job) (side.Sample, error) { return mapTasks(job, kind) },
		side.Idle:   func(job side.Job) (side.Sample, error) { return idle(job, kind) },
	}
}

func pinBoth(job side.Job, w Worker) error {
	if err := w.Pin(job.CPU(1)); err != nil {
		return err
	}
	return cpu.Pin(job.CPU(0))
}

func call(job side.Job, w Worker) (side.Sample, error) {
	if err := pinBoth(job, w); err != nil {
		return side.Sample{}, err
	}
	return gauge.Latency(gauge.Func(func() error {
		_, err := w.Double(21)
		return err
	}), job.Budget)
}

func bitmap(job side.Job, w Worker) (side.Sample, error) {
	if err := pinBoth(job, w); err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		picture, err := w.Fill(job.Size)
		if err != nil {
			return 0, err
		}
		return gauge.SinceFilled(picture), nil
	})
}

func start(job side.Job, kind string) (side.Sample, error) {
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		begin := time.Now()
		w, client, err := dispense(kind)
		defer client.Kill()
		if err != nil {
			return 0, err
		}
		_, err = w.Double(21)
		return time.Since(begin), err
	})
}

// dispenseAll starts several plugins of a kind.
func dispenseAll(n int, kind string) (workers []Worker, kill func(), err error) {
	var clients []*goplugin.Client
	kill = func() {
		for _, c := range clients {
			c.Kill()
		}
	}
	for range n {
		w, client, err := dispense(kind)
		clients = append(clients, client)
		if err != nil {
			return nil, kill, err
		}
		workers = append(workers, w)
	}
	return workers, kill, nil
}

func mapTasks(job side.Job, kind string) (side.Sample, error) {
	workers, kill, err := dispenseAll(job.Workers, kind)
	defer kill()
	if err != nil {
		return side.Sample{}, err
	}
	const window = 16 // calls under way at each plugin
	tallies := make([]gauge.Tally, window*len(workers))
	var all sync.WaitGroup
	for i := range tallies {
		all.Go(func() {
			m := gauge.NewMeter(16, job.Budget)
			for n := 0; m.Tick(1); n++ {
				if _, err := workers[i%len(workers)].Double(n); err != nil {
					break
				}
			}
			tallies[i] = m.Tally()
		})
	}
	all.Wait()
	return gauge.Sum(tallies...).Throughput(), nil
}

func idle(job side.Job, kind string) (side.Sample, error) {
	processes := []int{os.Getpid()}
	for range job.Workers {
		_, client, err := dispense(kind)
		defer client.Kill()
		if err != nil {
			return side.Sample{}, err
		}
		processes = append(processes, client.ReattachConfig().Pid)
	}
	return gauge.Idle(job.Budget, processes...), nil
}
