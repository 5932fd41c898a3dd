package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

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

	small   string // path of the small program
	noSmall error
}

func build() (*built, error) {
	dir, err := os.MkdirTemp("", "mp-bench-")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir}
	b.limit, b.noLimit = limit.Build(dir)
	b.python, b.noPython = python.Find(dir)
	b.small, b.noSmall = buildSmall(dir)
	return b, nil
}

// Close removes everything.
func (b *built) Close() error { return os.RemoveAll(b.dir) }

// buildSmall builds the program whose start is measured.
func buildSmall(dir string) (string, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return "", errNoGo
	}
	path := filepath.Join(dir, "small")
	cmd := exec.Command(command, "build", "-o", path, "github.com/mpgo/mp/bench/internal/small")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the small program cannot be built: %w: %s", err, complaint(string(out)))
	}
	return path, nil
}
