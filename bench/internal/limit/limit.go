// Package limit is what the machine can do: a C program that is compiled when the
// bench runs, if there is a compiler.
package limit

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mpgo/mp/bench/internal/side"
)

//go:embed c
var sources embed.FS

// ErrNoCompiler: there is no gcc here, so there is no limit to compare with.
var ErrNoCompiler = errors.New("no gcc here to build the C program with")

// A Program is the compiled limit.
type Program struct{ path string }

// Build compiles the program in dir.
func Build(dir string) (*Program, error) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		return nil, ErrNoCompiler
	}
	from := filepath.Join(dir, "limit.src")
	if err := os.CopyFS(from, sources); err != nil {
		return nil, err
	}
	files, err := fs.Glob(os.DirFS(from), "c/*.c")
	if err != nil {
		return nil, err
	}
	p := &Program{filepath.Join(dir, "limit")}
	cmd := exec.Command(compiler, append(append([]string{"-std=gnu11", "-O2", "-pthread", "-o", p.path}, files...), "-lm")...)
	cmd.Dir = from
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc cannot build the C program: %w\n%s", err, out)
	}
	return p, nil
}

// Works are the kinds of work that the program can do.
func Works() []string {
	return []string{
		side.RoundTrip, side.OneWay, side.Queue, side.MutexAlone, side.MutexContended, side.Takeover,
		side.Start, side.Bitmap, side.Wake,
	}
}

// A Choice changes what the program measures.
type Choice string

// PlainMutex measures a mutex that stays locked when its holder dies, in place of a
// robust one.
const PlainMutex Choice = "plain=1"

// Command measures a job. What it starts for Start is child.
func (p *Program) Command(job side.Job, child *exec.Cmd, choices ...Choice) *exec.Cmd {
	words := []string{
		"work=" + job.Work,
		number("size", job.Size),
		number("capacity", job.Capacity),
		number("producers", job.Producers),
		number("consumers", job.Consumers),
		number("workers", job.Workers),
		number("budget", int(job.Budget)),
	}
	if job.Awake {
		words = append(words, "awake=1")
	}
	for _, c := range choices {
		words = append(words, string(c))
	}
	for _, c := range job.CPUs {
		words = append(words, number("cpu", c))
	}
	if child != nil {
		words = append(append(words, "--"), child.Args...)
	}
	return exec.Command(p.path, words...)
}

func number(key string, n int) string { return strings.Join([]string{key, strconv.Itoa(n)}, "=") }
