package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/mpgo/mp/bench/internal/limit"
	"github.com/mpgo/mp/bench/internal/python"
)

// built is what the bench makes before it measures, in a folder of its own, and why
// it could not make the rest.
type built struct {
	dir string

	limit   *limit.Program
	noLimit error

	python   *python.Script
	noPython error

	small, tiny program
}

// A program of ours that the go command builds.
type program struct {
	path    string
	missing error // why it is not there
}

func (p program) command(args ...string) (*exec.Cmd, error) {
	if p.missing != nil {
		return nil, p.missing
	}
	return exec.Command(p.path, args...), nil
}

func build() (*built, error) {
	dir, err := os.MkdirTemp("", "mp-bench-")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir}
	b.limit, b.noLimit = limit.Build(dir)
	b.python, b.noPython = python.Find(dir)
	b.small, b.tiny = buildProgram(dir, "small"), buildProgram(dir, "tiny")
	return b, nil
}

// Close removes everything.
func (b *built) Close() error { return os.RemoveAll(b.dir) }

var errNoGo = errors.New("no go command here to build programs with")

// sources is the folder that this program was built from, whatever the working
// directory is; empty if that is not known.
func sources() string {
	_, file, _, _ := runtime.Caller(0)
	if !filepath.IsAbs(file) {
		return ""
	}
	return filepath.Dir(file)
}

// buildProgram builds one of the programs in internal.
func buildProgram(dir, name string) program {
	command, err := exec.LookPath("go")
	if err != nil {
		return program{missing: errNoGo}
	}
	path := filepath.Join(dir, name)
	cmd := exec.Command(command, "build", "-o", path, "github.com/mpgo/mp/bench/internal/"+name)
	cmd.Dir = sources()
	if out, err := cmd.CombinedOutput(); err != nil {
		return program{missing: fmt.Errorf("go build of a program to measure with: %w: %s", err, complaint(string(out)))}
	}
	return program{path: path}
}
