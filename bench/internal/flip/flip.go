// Package flip is gVisor's flipcall: calls between processes over a window of
// shared memory, with futexes, in Go. It has one call under way at a time.
package flip

import (
	"os"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/flipcall"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// Name is what it is called in tables.
const Name = "gVisor flipcall"

// Works are what it can do.
func Works() side.Works { return side.Works{side.RoundTrip: roundTrip, side.Call: roundTrip} }

// callSize is what the argument and the result of a Call take.
const callSize = 8

func roundTrip(job side.Job) (side.Sample, error) {
	job.Size = max(job.Size, callSize)
	allocator, err := flipcall.NewPacketWindowAllocator()
	if err != nil {
		return side.Sample{}, err
	}
	defer allocator.Destroy()
	window, err := allocator.Allocate(windowSize(job))
	if err != nil {
		return side.Sample{}, err
	}
	theirs, err := unix.Dup(window.FD)
	if err != nil {
		return side.Sample{}, err
	}
	server, err := side.StartSecond(Name, job, os.NewFile(uintptr(theirs), "window"))
	if err != nil {
		return side.Sample{}, err
	}
	defer server.Kill()
	client, err := flipcall.NewEndpoint(flipcall.ClientSide, window)
	if err != nil {
		return side.Sample{}, err
	}
	if err := client.Connect(); err != nil {
		return side.Sample{}, err
	}
	if err := cpu.Pin(job.CPU(0)); err != nil {
		return side.Sample{}, err
	}
	m := make([]byte, job.Size)
	return gauge.Latency(gauge.Func(func() error {
		copy(client.Data(), m)
		if _, err := client.SendRecvFast(uint32(len(m))); err != nil {
			return err
		}
		copy(m, client.Data())
		return nil
	}), job.Budget)
}

func windowSize(job side.Job) int {
	const page = 4096
	return (flipcall.PacketHeaderBytes + job.Size + page - 1) / page * page
}

// Serve is the second process: it sends back what it gets.
func Serve(job side.Job) error {
	server, err := flipcall.NewEndpoint(flipcall.ServerSide, flipcall.PacketWindowDescriptor{
		FD: 3, Length: windowSize(job),
	})
	if err != nil {
		return err
	}
	if err := cpu.Pin(job.CPU(1)); err != nil {
		return err
	}
	m := make([]byte, job.Size)
	for n, err := server.RecvFirst(); err == nil; {
		copy(m, server.Data()[:n])
		copy(server.Data(), m)
		n, err = server.SendRecvFast(n)
	}
	return nil
}
