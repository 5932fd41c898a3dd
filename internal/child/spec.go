package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/mpgo/mp/internal/race"
)

// A Spec says what to start.
type Spec struct {
	Marker string   // what Adopt returns in the child
	Title  string   // second word of the command line, for people who look at ps
	Arena  *os.File // becomes fd 3
	Door   *os.File // becomes fd 6

	Path   string     // program; empty: this one
	Env    []string   // full environment; nil: this process's
	Dir    string     // working directory; empty: this process's
	Stdin  *os.File   // nil: /dev/null
	Stdout *os.File   // nil: this process's
	Stderr *os.File   // nil: this process's
	Files  []*os.File // become fd 7 and on

	Nice     *int            // nil: this process's
	CPUs     []int           // nil: this process's
	Limited  bool            // in its memory, by itself
	Detached bool            // in a session of its own, and untouched by the parent's death
	Change   func(*exec.Cmd) // what the user wants to change of it all; nil: nothing
}

// command is what starts the child, without what is made for this one child:
// descriptors 4 and 5.
func (spec *Spec) command() (*exec.Cmd, error) {
	if err := spec.open(); err != nil {
		return nil, err
	}
	path := spec.Path
	if path == "" {
		path = selfExe
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("mp: %w: %s cannot be read (is /proc mounted?): %w", ErrUnavailable, selfExe, err)
		}
	}
	cmd := &exec.Cmd{
		Path:        path,
		Args:        []string{os.Args[0], spec.Title},
		Env:         spec.environment(),
		Dir:         spec.Dir,
		SysProcAttr: attributes(spec.Detached),
	}
	// A nil *os.File must not become an io.Reader or io.Writer that is not nil.
	if spec.Stdin != nil {
		cmd.Stdin = spec.Stdin
	}
	if f := either(spec.Stdout, os.Stdout); f != nil {
		cmd.Stdout = f
	}
	if f := either(spec.Stderr, os.Stderr); f != nil {
		cmd.Stderr = f
	}
	return cmd, nil
}

// open checks that the user's files are open: a child without one of them, and
// nobody told, is no use.
func (spec *Spec) open() error {
	for _, f := range []*os.File{spec.Stdin, spec.Stdout, spec.Stderr} {
		if f == nil {
			continue
		}
		if _, err := f.Stat(); err != nil {
			return fmt.Errorf("mp: a standard file of a process: %w", err)
		}
	}
	for i, f := range spec.Files {
		if _, err := f.Stat(); err != nil {
			return fmt.Errorf("mp: extra file %d of a process: %w", i, err)
		}
	}
	return nil
}

// either is the file that the user chose, or else ours. Where ours is closed, as a
// program in the background may have it, the child gets /dev/null: nil.
func either(chosen, ours *os.File) *os.File {
	if chosen != nil || ours == nil {
		return chosen
	}
	if _, err := ours.Stat(); errors.Is(err, os.ErrClosed) {
		return nil
	}
	return ours
}

func (spec *Spec) environment() []string {
	env := spec.Env
	if env == nil {
		env = os.Environ()
	}
	if race.Enabled && !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "GORACE=") }) {
		// A race-detecting program sleeps a second at its end otherwise.
		return append(slices.Clip(env), "GORACE=atexit_sleep_ms=0")
	}
	return env
}

// complete gives the command the child's descriptors, lets the user change it, and
// marks it as a child's.
func (spec *Spec) complete(cmd *exec.Cmd, life, crash *os.File) error {
	ours := []*os.File{spec.Arena, life, crash, spec.Door}
	cmd.ExtraFiles = append(slices.Clone(ours), spec.Files...)
	if spec.Change != nil {
		spec.Change(cmd)
	}
	if len(cmd.ExtraFiles) < len(ours) || !slices.Equal(cmd.ExtraFiles[:len(ours)], ours) {
		return errors.New("mp: the first four of the command's ExtraFiles are the library's: add others behind them")
	}
	// Without the marker the child would run the whole program.
	isMarker := func(v string) bool { return strings.HasPrefix(v, markerName+"=") }
	env := cmd.Env
	if env == nil {
		env = os.Environ()
	}
	cmd.Env = append(slices.DeleteFunc(slices.Clone(env), isMarker),
		fmt.Sprintf("%s=%d:%s", markerName, len(cmd.ExtraFiles)-len(ours), spec.Marker))
	return nil
}
