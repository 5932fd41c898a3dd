package ipc

import "github.com/mpgo/mp/internal/race"

// An edge is what the race detector sees of an object. The detector ignores
// mapped memory: an atomic there orders nothing for it, so a Go variable that a
// shared lock guards would be reported falsely. Every object therefore has an
// edge on the Go heap of each process, and operations on it stand for those on
// the shared words. Without the detector they are nothing.
type edge struct{ known race.Edge }

// release publishes everything the goroutine did before. It comes before the
// store to shared memory that lets others proceed.
func (e *edge) release() {
	if race.Enabled {
		e.known.Release()
	}
}

// acquire observes everything published by release so far. It comes after the
// atomic step in shared memory that let the goroutine proceed.
func (e *edge) acquire() {
	if race.Enabled {
		e.known.Acquire()
	}
}
