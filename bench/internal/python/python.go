// Package python is Python's multiprocessing, where python3 is found.
package python

import (
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/mpgo/mp/bench/internal/side"
)

//go:embed peer.py
var script []byte

// ErrMissing: there is no python3 here.
var ErrMissing = errors.New("no python3 here")

// A Script is the measuring program of this package, and what runs it.
type Script struct{ interpreter, path string }

// Find finds python3 and writes the program into dir.
func Find(dir string) (*Script, error) {
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		return nil, ErrMissing
	}
	s := &Script{interpreter, filepath.Join(dir, "peer.py")}
	return s, os.WriteFile(s.path, script, 0o600)
}

// Works are the kinds of work that Python can do.
func Works() []string {
	return []string{
		side.RoundTrip, side.OneWay, side.Queue, side.MutexAlone, side.MutexContended, side.Takeover,
		side.Call, side.Map, side.Bitmap, side.Idle, side.Start,
	}
}

// A Method is how Python starts processes.
type Method string

// The methods that are measured: a copy of the process, and a new interpreter.
const (
	Fork  Method = "fork"
	Spawn Method = "spawn"
)

// Command measures a job.
func (s *Script) Command(job side.Job, method Method) *exec.Cmd {
	return exec.Command(s.interpreter, s.path, job.String(), string(method))
}
