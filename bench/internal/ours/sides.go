package ours

import (
	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/side"
	"github.com/mpgo/mp/internal/spin"
)

// Name is what mp is called in tables.
const Name = "mp"

// Works are what mp can do.
func Works() side.Works {
	return side.Works{
		side.RoundTrip:      roundTrip,
		side.OneWay:         oneWay,
		side.Queue:          measureQueue,
		side.MutexAlone:     mutexAlone,
		side.MutexContended: mutexContended,
		side.Takeover:       takeover,
		side.Call:           call,
		side.Map:            mapTasks,
		side.Bitmap:         bitmap,
		side.Wake:           wake,
		side.Blocked:        blocked,
		side.Idle:           idle,
		side.Memory:         memory,
	}
}

// pin has this process run where the nth of the job is to run. The library looks
// once how many CPUs there are, and must do so before there is one left.
func pin(job side.Job, nth int) error {
	spin.Worthwhile()
	return cpu.Pin(job.CPU(nth))
}
