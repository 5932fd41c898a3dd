package main

import (
	"os/exec"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/side"
)

// canary is the side that no row has: it tells how far the CPUs are from each
// other at the moment.
const canaryName = "canary"

var canaryWorks = side.Works{side.RoundTrip: func(job side.Job) (side.Sample, error) {
	took, err := cpu.Latency(job.CPU(0), job.CPU(1))
	return side.Sample{Figure: float64(took)}, err
}}

func canaryCommand(cpus []int) *exec.Cmd {
	return exec.Command("/proc/self/exe", side.Arguments(canaryName, side.Job{Work: side.RoundTrip, CPUs: cpus})...)
}
