package sys_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

func openFiles(t *testing.T, pid int) []string {
	links, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	require.NoError(t, err)
	require.NotEmpty(t, links)
	var targets []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			targets = append(targets, target)
		}
	}
	return targets
}

func threads(t *testing.T) int {
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(tasks)
}

func TestTheKernelKillsABusyProcessInTime(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "busyTillKilled")
	var killed *exec.ExitError
	require.ErrorAs(t, c.Wait(), &killed)
	require.Equal(t, syscall.SIGKILL, killed.Sys().(syscall.WaitStatus).Signal())
}

func TestPidfdNoticesAKill(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "idle")
	require.Equal(t, "ready", c.Hear())
	pidfd, err := sys.PidfdOpen(c.PID())
	require.NoError(t, err)
	defer func() { _ = pidfd.Close() }()
	dead, err := sys.Exited(pidfd)
	require.NoError(t, err)
	require.False(t, dead)

	noticed := make(chan error)
	go func() { noticed <- sys.AwaitExit(pidfd) }()
	require.NoError(t, sys.PidfdSignal(pidfd, syscall.SIGKILL))
	require.NoError(t, <-noticed)

	dead, err = sys.Exited(pidfd)
	require.NoError(t, err)
	require.True(t, dead)
	require.NoError(t, sys.AwaitExit(pidfd), "the dead stay dead")
	c.Kill()
	require.ErrorIs(t, sys.PidfdSignal(pidfd, syscall.SIGKILL), syscall.ESRCH)
}

func TestAwaitExitOfAStoppedProcessGoesOn(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "idle")
	require.Equal(t, "ready", c.Hear())
	pidfd, err := sys.PidfdOpen(c.PID())
	require.NoError(t, err)
	defer func() { _ = pidfd.Close() }()
	require.NoError(t, sys.PidfdSignal(pidfd, syscall.SIGSTOP))
	require.NoError(t, pidfd.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	require.ErrorIs(t, sys.AwaitExit(pidfd), os.ErrDeadlineExceeded)
}

func TestAwaitExitTakesNoThread(t *testing.T) {
	testkit.LeakCheck(t)
	const waiters = 100
	c := testkit.Start(t, "idle")
	require.Equal(t, "ready", c.Hear())
	pidfd, err := sys.PidfdOpen(c.PID())
	require.NoError(t, err)
	before := threads(t)
	waiting, done := make(chan bool), make(chan error)
	for range waiters {
		go func() {
			waiting <- true
			done <- sys.AwaitExit(pidfd)
		}()
		<-waiting
	}
	require.Less(t, threads(t), before+10)
	require.NoError(t, pidfd.Close())
	for range waiters {
		require.ErrorIs(t, <-done, os.ErrClosed, "Close ends the waiting")
	}
}

func TestPidfdOfNobody(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "idle")
	c.Kill()
	_, err := sys.PidfdOpen(c.PID())
	require.ErrorIs(t, err, syscall.ESRCH)
	_, err = sys.PidfdOpen(-1)
	require.ErrorIs(t, err, syscall.EINVAL)
}

func TestStartTime(t *testing.T) {
	mine, err := sys.StartTime(os.Getpid())
	require.NoError(t, err)
	c := testkit.Start(t, "idle")
	its, err := sys.StartTime(c.PID())
	require.NoError(t, err)
	require.GreaterOrEqual(t, its, mine)
	c.Kill()
	_, err = sys.StartTime(c.PID())
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestPidNamespaceIsThatOfTheParent(t *testing.T) {
	link, err := os.Readlink("/proc/self/ns/pid")
	require.NoError(t, err)
	require.Equal(t, "pid:["+strconv.FormatUint(sys.PidNamespace(), 10)+"]", link)
}

func TestMonotonicIsTheClockOfAllProcesses(t *testing.T) {
	before := sys.Monotonic()
	require.Positive(t, before)
	require.GreaterOrEqual(t, sys.Monotonic(), before)
}

func TestBuildID(t *testing.T) {
	id, err := sys.BuildID()
	require.NoError(t, err)
	require.NotEmpty(t, id)
	again, err := sys.BuildID()
	require.NoError(t, err)
	require.Equal(t, id, again)
}

func TestGettidIsAThreadOfThisProcess(t *testing.T) {
	_, err := os.Stat("/proc/self/task/" + strconv.Itoa(sys.Gettid()))
	require.False(t, errors.Is(err, fs.ErrNotExist))
}

func BenchmarkBuildID(b *testing.B) {
	for b.Loop() {
		_, _ = sys.BuildID()
	}
}

func BenchmarkMonotonic(b *testing.B) {
	for b.Loop() {
		_ = sys.Monotonic()
	}
}

func BenchmarkNumCPU(b *testing.B) {
	for b.Loop() {
		_ = sys.NumCPU()
	}
}
