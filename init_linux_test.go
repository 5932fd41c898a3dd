package mp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goTool runs the go command on a program of testdata.
func goTool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestATestPackageThatForgetsInitStartsNothing(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "noinit.test")
	goTool(t, "test", "-c", "-o", binary, "./testdata/noinit")
	starts := func(env ...string) int {
		file := filepath.Join(t.TempDir(), "starts")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		cmd := exec.Command(binary, "-test.v")
		cmd.Env = append(append(os.Environ(), "NOINIT_STARTS="+file), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestStartingIsRefused")
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.Count(string(b), "started")
	}
	require.Equal(t, 1, starts(), "only the test's own process")
	require.Equal(t, 2, starts("NOINIT_LATE=1"), "and one child, which has none")
}

func init() {
	addTrial("noInit", func(t *trial) {
		for what, start := range map[string]func() error{
			"Start":   func() error { _, err := square.Start(t.ctx, 1); return err },
			"Run":     func() error { _, err := square.Run(t.ctx, 1); return err },
			"NewPool": func() error { _, err := NewPool(t.ctx, 1); return err },
		} {
			err := start()
			require.ErrorIs(t, err, ErrNotInitialized, what)
			require.ErrorContains(t, err, "TestMain", what)
		}
		require.Empty(t, childPIDs())
		v, err := NewValue(3)
		require.NoError(t, err, "objects need no Init")
		require.Equal(t, 3, v.Load())

		Init()
		n, err := square.Run(t.ctx, 3)
		require.NoError(t, err)
		require.Equal(t, 9, n)
	})
}

func TestStartWithoutInitIsRefused(t *testing.T) { try(t, "noInit") }

// childPIDs are the children that this process has, as the system sees it.
func childPIDs() (pids []string) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		pids = append(pids, strings.Fields(string(b))...)
	}
	return pids
}

// An outlook is what a process finds when it is born.
type outlook struct {
	Child    bool
	Environ  []string
	Args     []string
	Stdio    [3]string // what the descriptors are
	Inherits []string  // descriptors of a program that it executes
	Env      string    // of that program
	Below    *outlook  // of its own child
}

var looksAround *Func[int, outlook]

func init() {
	looksAround = Register("test.looksAround", func(ctx context.Context, depth int) (o outlook, err error) {
		o.Child, o.Environ, o.Args = IsChild(), os.Environ(), os.Args
		for fd := range o.Stdio {
			o.Stdio[fd], _ = os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
		}
		env, err := exec.CommandContext(ctx, "env").Output()
		if err != nil {
			return o, err
		}
		o.Env = string(env)
		fds, err := exec.CommandContext(ctx, "sh", "-c", "for f in /proc/$$/fd/*; do readlink $f || true; done").Output()
		if err != nil {
			return o, err
		}
		o.Inherits = strings.Fields(string(fds))
		if depth > 0 {
			below, err := looksAround.Run(ctx, depth-1)
			o.Below = &below
			return o, err
		}
		return o, nil
	})
}

func TestAChildPassesNothingOfItsBirthOn(t *testing.T) {
	t.Setenv("MP_TEST_OWN", "kept")
	o, err := looksAround.Run(t.Context(), 1, WithName("looker"))
	require.NoError(t, err)
	require.NotNil(t, o.Below)
	for _, o := range []*outlook{&o, o.Below} {
		require.True(t, o.Child)
		require.NotContains(t, strings.Join(o.Environ, "\n"), "MP_CHILD")
		require.Contains(t, o.Environ, "MP_TEST_OWN=kept")
		require.NotContains(t, o.Env, "MP_CHILD")
		require.Contains(t, o.Env, "MP_TEST_OWN=kept")
		for _, target := range o.Inherits {
			require.NotContains(t, target, "memfd", "neither arena nor crash file")
		}
		require.Equal(t, "/dev/null", o.Stdio[0])
	}
	require.Equal(t, "mp:looker", o.Args[1])
	require.False(t, IsChild())
}

var runsItself = Register("test.runsItself", func(ctx context.Context, _ int) (string, error) {
	// The user's own way to start this program again: not a child of ours.
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), "MP_TESTKIT_SCRIPT=areYouAChild")
	in, err := cmd.StdinPipe() // a script ends with its standard input
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	err = cmd.Wait()
	_ = in.Close()
	return out.String(), err
})

func init() {
	addTrial("areYouAChild", func(t *trial) {
		t.Say("before", IsChild(), Parent() == nil)
		Init()
		t.Say("after", IsChild(), Parent() == nil)
	})
}

func TestAProgramThatAChildExecutesIsNoChild(t *testing.T) {
	out, err := runsItself.Run(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, "before false true\nafter false true\npassed\n", out)
}

var talks = Register("test.talks", func(context.Context, int) (int, error) {
	n, err := io.Copy(io.Discard, os.Stdin)
	fmt.Println("child's stdout")
	fmt.Fprintln(os.Stderr, "child's stderr")
	return int(n), err
})

func init() {
	addTrial("talks", func(t *trial) {
		Init()
		n, err := talks.Run(t.ctx, 0)
		require.NoError(t, err)
		require.Zero(t, n, "standard input is empty")
		pool, err := NewPool(t.ctx, 1)
		require.NoError(t, err)
		_, err = talks.Call(t.ctx, pool, 0)
		require.NoError(t, err)
		require.NoError(t, pool.Close())
	})
}

func TestAChildHasItsParentsOutputAndNoInput(t *testing.T) {
	var stderr, stdout bytes.Buffer
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MP_TESTKIT_SCRIPT=talks", "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	in, theirs, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _, _ = in.Close(), theirs.Close() }()
	_, err = io.WriteString(theirs, "the parent's own\n")
	require.NoError(t, err)
	cmd.Stdin = in
	require.NoError(t, cmd.Run())
	require.Equal(t, "child's stdout\nchild's stdout\npassed\n", stdout.String())
	require.Equal(t, "child's stderr\nchild's stderr\n", stderr.String())
}

func TestStdioMayBeFiles(t *testing.T) {
	in, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer func() { _ = in.Close() }()
	_, err = in.WriteString("12345")
	require.NoError(t, err)
	_, err = in.Seek(0, io.SeekStart)
	require.NoError(t, err)
	out, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer func() { _ = out.Close() }()
	n, err := talks.Run(t.Context(), 0, WithStdio(in, out, out))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	b, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.Equal(t, "child's stdout\nchild's stderr\n", string(b))
}

func TestAnotherBuildIsRefused(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	other := filepath.Join(dir, "otherbuild")
	goTool(t, "build", "-o", other, "./testdata/otherbuild")
	_, err := square.Run(ctx, 3, WithExecutable(other))
	require.ErrorIs(t, err, ErrWrongBuild)
	p, err := square.Start(ctx, 3, WithExecutable(other))
	require.NoError(t, err)
	require.ErrorIs(t, p.Wait(ctx), ErrWrongBuild)

	same := filepath.Join(dir, "same")
	b, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(same, b, 0o700))
	n, err := square.Run(ctx, 3, WithExecutable(same))
	require.NoError(t, err, "a copy is of the same sources")
	require.Equal(t, 9, n)
}

func TestAFileThatCannotBeExecutedIsRefused(t *testing.T) {
	requireEmpty(t)
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no program"), 0o700))
	for _, path := range []string{"/nonexistent/program", t.TempDir(), text} {
		_, err := square.Start(t.Context(), 3, WithExecutable(path))
		require.ErrorContains(t, err, path)
		_, err = square.Run(t.Context(), 3, WithExecutable(path))
		require.ErrorContains(t, err, path)
	}
	require.Empty(t, ActiveChildren())
	require.Zero(t, inUse(), "nothing is left of the attempts")
}

func TestAProgramThatKnowsNothingOfUsHasNoResult(t *testing.T) {
	for _, path := range []string{"/bin/true", "/bin/false"} {
		_, err := square.Run(t.Context(), 3, WithExecutable(path))
		var exit *ExitError
		require.ErrorAs(t, err, &exit, path)
	}
}

func TestAProgramThatNeverCallsInitIsToldOf(t *testing.T) {
	p, err := square.Start(t.Context(), 3, WithExecutable("/bin/true"))
	require.NoError(t, err)
	err = p.Wait(t.Context())
	require.ErrorIs(t, err, ErrNotInitialized)
	require.ErrorContains(t, err, "exited with code 0")
}
