package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
	"github.com/mpgo/mp/cmd/mpstorm/internal/succession"
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

// command is this binary as the command, in a process group of its own.
func command(args string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), marker+"="+args, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func TestNothingIsViolatedInAStorm(t *testing.T) {
	minutes := "0.05"
	if testing.Short() {
		minutes = "0.01"
	}
	dir := t.TempDir()
	page, data := filepath.Join(dir, "storm.html"), filepath.Join(dir, "storm.json")
	require.NoError(t, os.WriteFile(page, bytes.Repeat([]byte("old"), 1<<20), 0o600))
	var stdout, stderr bytes.Buffer
	cmd := command("-minutes " + minutes + " -procs 3 -seed 7 -html " + page + " -json " + data)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	require.Empty(t, stderr.String())
	require.True(t, strings.HasPrefix(stdout.String(), "seed 7\n"), stdout.String())
	require.Contains(t, stdout.String(), " 0 violations\n")

	var r storm.Report
	b, err := os.ReadFile(data)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &r))
	require.EqualValues(t, 7, r.Seed)
	require.Positive(t, r.Kills)
	require.Empty(t, r.Violations)
	require.GreaterOrEqual(t, len(r.Musters), 2)

	b, err = os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(b), "<!DOCTYPE html>"))
	require.True(t, strings.HasSuffix(string(b), "</html>\n"), "nothing of the old file is left")
	require.NotContains(t, string(b), "http", "it needs nothing else")
	t.Log(stdout.String())
}

func TestNothingIsViolatedByASuccession(t *testing.T) {
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
		{"-objects Mutx", `-objects: "Mutx" is no kind of object; there are Mutex,`},
		{"-objects Mutex,,Event", `"" is no kind`},
		{"-unknown", "not defined"},
		{"100", `"100" is no flag`},
		{"-minutes 0", "-minutes is 0; it must be more than 0"},
		{"-minutes -1", "-minutes is -1"},
		{"-minutes NaN", "-minutes is NaN"},
		{"-minutes Inf", "-minutes is +Inf"},
		{"-minutes 1 -procs 0", "-procs is 0; it must be between 1 and"},
		{"-minutes 1 -procs 1000", "-procs is 1000"},
		{"-minutes 1 -kills 3", "-kills and -objects are not for a storm"},
		{"-procs 3", "-minutes is missing"},
		{"-html storm.html", "-minutes is missing"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, run(strings.Fields(c.args), &stdout, &stderr), c.args)
		require.Contains(t, stderr.String(), c.says, c.args)
		require.Empty(t, stdout.String(), c.args)
	}
	var stdout, stderr bytes.Buffer
	require.Zero(t, run([]string{"-help"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "usage: mpstorm -minutes n")
	require.Contains(t, stderr.String(), succession.Names())
}

func TestAFileThatCannotBeWrittenIsToldBeforeTheStorm(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "missing", "storm.html")
	for _, flag := range []string{"-html", "-json"} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, run([]string{"-minutes", "1", flag, nowhere}, &stdout, &stderr))
		require.Contains(t, stderr.String(), "mpstorm: "+flag+": open "+nowhere)
		require.Empty(t, stdout.String())
	}
}

// Ctrl-C goes to all processes of the terminal's group.
func TestAnInterruptLeavesNothing(t *testing.T) {
	for _, args := range []string{"-kills 100000", "-minutes 60 -procs 2"} {
		cmd := command(args)
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
		for offspring(t, cmd.Process.Pid) < 2 { // until it kills
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
}

// offspring is how many children a process has.
func offspring(t *testing.T, pid int) (n int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, list := range lists {
		b, _ := os.ReadFile(list) // a thread may be gone
		n += len(strings.Fields(string(b)))
	}
	return n
}
