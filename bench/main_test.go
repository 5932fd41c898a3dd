package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/bench/internal/cpu"
)

// The test binary plays the bench, as the bench plays its sides.
const (
	asBench = "MP_BENCH_TEST"     // in the environment of the bench and of all that it starts
	onCPU   = "MP_BENCH_TEST_CPU" // the only one that the bench may use
)

func TestMain(m *testing.M) {
	if code, played := play(os.Args[1:]); played {
		os.Exit(code)
	}
	if os.Getenv(asBench) != "" {
		if n, err := strconv.Atoi(os.Getenv(onCPU)); err == nil {
			if err := cpu.Pin(n); err != nil {
				panic(err)
			}
		}
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// hangs is how long a test waits before it calls something a hang.
const hangs = 2 * time.Minute

// bench is the bench as a command; mark is what its processes can be found by.
func bench(t *testing.T, args ...string) (cmd *exec.Cmd, mark string) {
	t.Helper()
	mark = fmt.Sprintf("%s=%s-%d", asBench, t.Name(), os.Getpid())
	cmd = exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), mark)
	return cmd, mark
}

// runBench runs it to its end.
func runBench(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(hangs, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// marked are the processes that have the mark in their environment.
func marked(t *testing.T, mark string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err == nil && bytes.Contains(append(environ, 0), []byte(mark+"\x00")) {
			found = append(found, file)
		}
	}
	return found
}

func TestInterruptLeavesNoProcess(t *testing.T) {
	cmd, mark := bench(t, "-run", "^(pipe|queue|pool|bitmap|mutex/takeover)", "-budget", "200ms", "-passes", "1000")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(hangs, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()

	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "pass 1 of 1000") {
	}
	for len(marked(t, mark)) < 2 { // a side is at work
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(stderr)
	require.NoError(t, err)
	_ = cmd.Wait()

	assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
	assert.Contains(t, string(rest), "interrupted")
	assert.Empty(t, marked(t, mark))
}

func TestARunLeavesNoProcessAndNoFile(t *testing.T) {
	cmd, mark := bench(t, "-quick", "-run", "^(mutex|queue/1-1|scale/queue-idle-used/4|pool/call|start)", "-json")
	cmd.Env = append(cmd.Env, "TMPDIR="+t.TempDir())
	temporary := cmd.Env[len(cmd.Env)-1][len("TMPDIR="):]
	stdout, stderr, code := runBench(t, cmd)
	require.Zero(t, code, stderr)
	assert.Empty(t, marked(t, mark))
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)

	for line := range strings.Lines(stdout) {
		var row struct {
			Name   string
			Median *float64
			Sides  []struct{ Failed string }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.NotNil(t, row.Median, row.Name)
		assert.Positive(t, *row.Median, row.Name)
		for _, s := range row.Sides {
			assert.Empty(t, s.Failed, row.Name)
		}
	}
}

func TestWithoutCompilerAndPythonTheColumnsSaySo(t *testing.T) {
	cmd, _ := bench(t, "-quick", "-run", "^(mutex/alone|start)$")
	cmd.Env = append(cmd.Env, "PATH="+onlyGo(t))
	stdout, stderr, code := runBench(t, cmd)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "C missing: no gcc here")
	assert.Contains(t, stdout, "Python missing: no python3 here")
	assert.NotContains(t, stdout, "mp missing")
}

// onlyGo is a folder that has the go command and nothing else.
func onlyGo(t *testing.T) string {
	t.Helper()
	command, err := exec.LookPath("go")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(command, filepath.Join(dir, "go")))
	return dir
}

func TestWithoutGoThereIsNothingOfOurs(t *testing.T) {
	cmd, _ := bench(t, "-quick", "-run", "^mutex/alone$", "-check")
	cmd.Env = append(cmd.Env, "PATH="+t.TempDir())
	stdout, stderr, code := runBench(t, cmd)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stdout, "mp missing: no go command here")
	assert.Contains(t, stderr, "mutex/alone: must reach ≤ 2.00 ×, and there is no figure of mp")
}

func TestCheckFailsWhereNothingCanBeCompared(t *testing.T) {
	cmd, _ := bench(t, "-passes", "1", "-budget", "20ms", "-run", "^mutex/alone$", "-check")
	cmd.Env = append(cmd.Env, "PATH="+onlyGo(t))
	stdout, stderr, code := runBench(t, cmd)
	assert.Equal(t, exitFailed, code)
	assert.NotContains(t, stdout, "measured again", "that would be no help")
	assert.Contains(t, stderr, "mutex/alone: must reach ≤ 2.00 ×, and there is no limit to compare with")
}

func TestOnOneCPURowsThatSpinSaySo(t *testing.T) {
	cmd, _ := bench(t, "-quick", "-run", "^(pipe/awake|mutex/alone)$")
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", onCPU, cpu.Usable()[0]))
	stdout, stderr, code := runBench(t, cmd)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "pipe/awake: both sides spin, which takes two CPUs; there is one")
	assert.Contains(t, stdout, "mutex/alone")
}

func TestThePageIsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("former "), 1<<20), 0o644))
	cmd, _ := bench(t, "-quick", "-run", "^mutex/alone$", "-html", file)
	_, stderr, code := runBench(t, cmd)
	require.Zero(t, code, stderr)
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(page), "</html>")
	assert.NotContains(t, string(page), "former")
}
