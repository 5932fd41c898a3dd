package mp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/testkit"
)

// scripts are programs with a tree of processes of their own: this test binary
// plays them. They may set up what would spoil other tests, and they may be
// killed.
var scripts = map[string]testkit.Script{}

// A trial is a script that checks something by itself. What fails there fails the
// test that runs it.
type trial struct {
	*testkit.Peer
	ctx context.Context
}

// addTrial makes f the script of that name.
func addTrial(name string, f func(t *trial)) {
	scripts[name] = func(p *testkit.Peer) {
		ctx, cancel := context.WithTimeout(context.Background(), hangs)
		defer cancel()
		f(&trial{p, ctx})
		p.Say("passed")
	}
}

const (
	failedWord  = "failed "
	skippedWord = "skipped "
)

// Errorf says what is wrong.
func (t *trial) Errorf(format string, args ...any) {
	t.Say(failedWord + strconv.Quote(fmt.Sprintf(format, args...)))
}

// FailNow ends the script.
func (t *trial) FailNow() { os.Exit(1) }

// skip ends the script and the test.
func (t *trial) skip(why string) {
	t.Say(skippedWord + why)
	os.Exit(0)
}

// try runs the trial of that name as a program of its own, and returns what else it
// says.
func try(t *testing.T, name string, change ...func(*exec.Cmd)) (said []string) {
	t.Helper()
	cmd := testkit.Command(name)
	for _, f := range change {
		f(cmd)
	}
	c := testkit.Begin(t, cmd)
	for line := c.Hear(); line != "passed"; line = c.Hear() {
		if why, ok := strings.CutPrefix(line, skippedWord); ok {
			t.Skip(why)
		}
		what, ok := strings.CutPrefix(line, failedWord)
		if text, err := strconv.Unquote(what); ok && err == nil {
			t.Error(text)
		} else if line == "" {
			t.Fatal("the script ended early")
		} else {
			t.Log(line)
			said = append(said, line)
		}
	}
	require.NoError(t, c.Wait())
	return said
}

// brief reports whether a test should do fewer times what it does many times: if it is
// told to, and with the race detector, which takes ten times as long and sees no more in
// the hundredth death of another process than in the tenth.
func brief() bool { return testing.Short() || race.Enabled }

// hangs is how long a test waits before it calls something a hang.
const hangs = 60 * time.Second

// eventually asks until it is so: for what other processes or the garbage
// collector do some time, and nobody tells.
func eventually(t require.TestingT, is func() bool, what string) {
	for deadline := time.Now().Add(hangs); !is(); runtime.Gosched() {
		if time.Now().After(deadline) {
			require.Fail(t, "it never came to be: "+what)
		}
	}
}

// inUse is how many blocks of shared memory this tree of processes uses.
func inUse() int {
	a, err := arena()
	if err != nil {
		panic(err)
	}
	return a.Stats().Blocks
}

// requireEmpty waits until nothing is in use: other tests leave their handles to
// the garbage collector.
func requireEmpty(t require.TestingT) {
	eventually(t, func() bool {
		runtime.GC()
		return inUse() == 0
	}, "an empty arena")
}

// warmUp makes what a process makes once: the arena, its guardian, the forker.
func warmUp(t *testing.T) {
	t.Helper()
	_, err := square.Run(t.Context(), 1)
	require.NoError(t, err)
}

// upTo is the numbers from 0 to n-1.
func upTo[N int | int64](n N) []N {
	numbers := make([]N, n)
	for i := N(0); i < n; i++ {
		numbers[i] = i
	}
	return numbers
}
