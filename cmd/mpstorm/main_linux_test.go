package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
)

// marker tells this binary to be the command.
const marker = "MPSTORM_MAIN"

func TestMain(m *testing.M) {
	mp.Init()
	if args, is := os.LookupEnv(marker); is {
		os.Exit(run(strings.Fields(args), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestNothingIsViolated(t *testing.T) {
	kills := "10"
	if testing.Short() {
		kills = "2"
	}
	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{"-kills", kills}, &stdout, &stderr), "%s%s", &stdout, &stderr)
	require.Empty(t, stderr.String())
	for _, object := range []string{ // all that processes own or wait for
		"Mutex", "RWMutex", "RWMutex-readers", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Cond", "Barrier", "Once",
		"Value.Update", "Array.Update",
	} {
		require.Regexp(t, "(?m)^"+object+` +`+kills+` +`+kills+" ", stdout.String())
	}
	require.Contains(t, stdout.String(), "0 violations")
	require.Contains(t, stdout.String(), "ms")
	require.Empty(t, mp.ActiveChildren())
	require.Zero(t, mp.MemoryStats())
	t.Log(stdout.String())
}

func TestSomeObjectsOnly(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{"-kills", "2", "-objects", "mutex, BARRIER", "-seed", "7"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "seed 7\n")
	require.Contains(t, stdout.String(), "4 owners and 4 waiters of 2 kinds")
	require.NotContains(t, stdout.String(), "Array")
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"-kills 0", "-kills is 0; it must be between 1 and"},
		{"-kills -5", "-kills is -5"},
		{"-kills 1000001", "-kills is 1000001"},
		{"-kills many", "invalid value"},
		{"-limit 0s", "-limit is 0s; it must be more than nothing"},
		{"-limit -1s", "-limit is -1s"},
		{"-objects Mutx", `-objects has "Mutx"; there are Mutex,`},
		{"-objects Mutex,,Event", `-objects has ""`},
		{"-unknown", "not defined"},
		{"100", `"100" is no flag`},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, run(strings.Fields(c.args), &stdout, &stderr), c.args)
		require.Contains(t, stderr.String(), c.says, c.args)
		require.Empty(t, stdout.String(), c.args)
	}
	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{"-help"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "usage: mpstorm [flags]")
	require.Contains(t, stderr.String(), names())
}

// storms runs what weather does for kinds that are wrong here, and right in the
// other processes.
func storms(t *testing.T, limit time.Duration, k kind) (violations []string, printed string) {
	t.Helper()
	var stdout bytes.Buffer
	sum, err := weather(context.Background(), options{kills: 2, kinds: []kind{k}, seed: 1, limit: limit}, &stdout)
	require.NoError(t, err)
	require.Empty(t, mp.ActiveChildren())
	require.Zero(t, mp.MemoryStats(), "what was violated leaves nothing, either")
	return sum.violations, stdout.String()
}

func TestACountThatDoesNotBalanceIsAViolation(t *testing.T) {
	k, _ := kindOf("Mutex")
	k.check = func(context.Context, props) error { return errors.New("one too many") }
	violations, printed := storms(t, time.Minute, k)
	require.Equal(t, []string{"Mutex: at the end: one too many"}, violations)
	require.Regexp(t, `Mutex .*VIOLATED`, printed)
	require.Contains(t, printed, "1 violations")
}

func TestAHangIsAViolation(t *testing.T) {
	k, _ := kindOf("Semaphore")
	k.mourn = nil // nobody releases for the dead
	violations, _ := storms(t, 300*time.Millisecond, k)
	require.Len(t, violations, 1)
	require.Contains(t, violations[0], "Semaphore: round 1: nobody goes on for 300ms")
	require.Contains(t, violations[0], "the heir says nothing")
}

func TestAVictimThatEndsByItselfIsAViolation(t *testing.T) {
	k, _ := kindOf("Mutex")
	k.name = "No such object"
	violations, _ := storms(t, time.Minute, k)
	require.Len(t, violations, 1)
	require.Contains(t, violations[0], `there is no object "No such object"`)
}

// Ctrl-C goes to all processes of the terminal's group.
func TestAnInterruptLeavesNothing(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), marker+"=-kills 100000", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	group := -cmd.Process.Pid
	t.Cleanup(func() { _ = syscall.Kill(group, syscall.SIGKILL) })

	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.True(t, strings.HasPrefix(lines.Text(), "seed "), lines.Text())
	for children(t, cmd.Process.Pid) < 2 { // until it kills
	}
	require.NoError(t, syscall.Kill(group, syscall.SIGINT))
	for lines.Scan() {
		require.NotContains(t, lines.Text(), "VIOLATED")
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitInterrupted, exit.ExitCode(), stderr.String())
	require.Equal(t, "mpstorm: interrupted\n", stderr.String())
	require.ErrorIs(t, syscall.Kill(group, 0), syscall.ESRCH, "nobody of the group is left")
}

// children is how many children a process has.
func children(t *testing.T, pid int) (n int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, list := range lists {
		b, _ := os.ReadFile(list) // a thread may be gone
		n += len(strings.Fields(string(b)))
	}
	return n
}
