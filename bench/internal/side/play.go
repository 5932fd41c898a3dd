package side

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// A Measure does a job and says what came out.
type Measure func(Job) (Sample, error)

// Works are what a side can do, by kind of work.
type Works map[string]Measure

// A Second is what the second process of a side does, until its standard input
// ends.
type Second func(Job) error

// The first arguments of this program when it plays a side, or the second process
// of one; then follow a name and a job.
const (
	asSide   = "side"
	asSecond = "second"
)

// Arguments are those with which this program plays the side of that name.
func Arguments(name string, job Job) []string { return []string{asSide, name, job.String()} }

// Play plays the side or second process that the command line asks for. False: it
// asks for none. Otherwise code is the process's exit code.
func Play(args []string, sides map[string]Works, seconds map[string]Second) (code int, played bool) {
	if len(args) != 3 || args[0] != asSide && args[0] != asSecond {
		return 0, false
	}
	job, err := ParseJob(args[2])
	if err == nil && args[0] == asSide {
		err = measure(sides[args[1]][job.Work], job)
	} else if err == nil {
		err = playSecond(seconds[args[1]], job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return exitCode(err), true
}

// Exit codes of a side.
const (
	exitFailed  = 1
	ExitMissing = 3 // it cannot do this here; standard error says why
)

// Missing is the error of a side that cannot do a job here, and says why.
type Missing string

func (m Missing) Error() string { return string(m) }

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(Missing)):
		return ExitMissing
	}
	return exitFailed
}

func measure(m Measure, job Job) error {
	if m == nil {
		return fmt.Errorf("no such work: %s", job.Work)
	}
	sample, err := m(job)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(sample)
}

func playSecond(play Second, job Job) error {
	if play == nil {
		return errors.New("no such second process")
	}
	go func() { // the first process is gone, or wants it gone
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return play(job)
}
