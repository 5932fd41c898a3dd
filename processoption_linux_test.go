package mp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
)

var writesToFiles = Register("test.writesToFiles", func(ctx context.Context, text string) (string, error) {
	for i, f := range ExtraFiles() {
		if _, err := fmt.Fprintf(f, "%s %d", text, i); err != nil {
			return "", err
		}
	}
	links, err := exec.CommandContext(ctx, "sh", "-c", "ls -l /proc/self/fd").Output()
	return string(links), err
})

func TestExtraFilesArriveInTheirOrder(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	f, err := os.CreateTemp(t.TempDir(), "extra")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	links, err := writesToFiles.Run(t.Context(), "file", WithExtraFiles(w, f))
	require.NoError(t, err)
	require.NotContains(t, links, f.Name(), "programs that it executes do not have it")
	require.NoError(t, w.Close())
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "file 0", string(text))
	inFile, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "file 1", string(inFile))
	require.Empty(t, ExtraFiles(), "the first process has none")

	_, err = writesToFiles.Run(t.Context(), "", WithExtraFiles(w))
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = writesToFiles.Run(t.Context(), "", WithExtraFiles(nil))
	require.ErrorIs(t, err, os.ErrInvalid)
	_, err = writesToFiles.Run(t.Context(), "", WithStdio(nil, w, nil))
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestTheCommandCanBeChanged(t *testing.T) {
	ctx := t.Context()
	var out bytes.Buffer
	_, err := talks.Run(ctx, 0, WithCommand(func(cmd *exec.Cmd) {
		cmd.Stdin = strings.NewReader("12345")
		cmd.Stdout = &out
		cmd.Stderr = nil
	}))
	require.NoError(t, err)
	require.Equal(t, "child's stdout\n", out.String(), "all of it is there when the process is gone")

	o, err := looksAround.Run(ctx, 0, WithCommand(func(cmd *exec.Cmd) {
		cmd.Args[0] = "another name"
		cmd.Env = []string{"ONLY=this", "PATH=" + os.Getenv("PATH")}
	}))
	require.NoError(t, err, "an environment of its own does not make it another program")
	require.Equal(t, "another name", o.Args[0])
	require.Contains(t, o.Environ, "ONLY=this")
	require.Len(t, slices.DeleteFunc(o.Environ, func(v string) bool { return strings.HasPrefix(v, "GORACE=") }), 2)

	f, err := os.CreateTemp(t.TempDir(), "extra")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = writesToFiles.Run(ctx, "file", WithCommand(func(cmd *exec.Cmd) {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}))
	require.NoError(t, err)
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "file 0", string(text))
}

func TestACommandThatLacksOurFilesIsRefused(t *testing.T) {
	requireNoLeak(t)
	for _, spoil := range []func(cmd *exec.Cmd){
		func(cmd *exec.Cmd) { cmd.ExtraFiles = nil },
		func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{os.Stdin, os.Stdin, os.Stdin, os.Stdin, os.Stdin} },
	} {
		_, err := square.Start(t.Context(), 3, WithCommand(spoil))
		require.ErrorContains(t, err, "ExtraFiles")
	}
	require.Empty(t, childPIDs())
}

// A rank is what the kernel thinks of a process's threads.
type rank struct {
	Nice  []int // of each thread
	CPUs  int
	Procs int
	Below []int // Nice of a child
}

var ranks *Func[bool, rank]

func init() {
	ranks = Register("test.ranks", func(ctx context.Context, below bool) (r rank, err error) {
		r.CPUs, r.Procs = NumCPU(), runtime.GOMAXPROCS(0)
		if r.Nice, err = niceValues(); err != nil || !below {
			return r, err
		}
		child, err := ranks.Run(ctx, false)
		r.Below = child.Nice
		return r, err
	})
}

// niceValues are those of all threads of this process.
func niceValues() (values []int, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	for _, task := range tasks {
		stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
		nice, err := strconv.Atoi(fields[17]) // field 19 of stat; the first here is its second
		if err != nil {
			return nil, err
		}
		values = append(values, nice)
	}
	return values, nil
}

func TestAProcessHasItsPriorityFromTheBeginning(t *testing.T) {
	mine, err := niceValues()
	require.NoError(t, err)
	own, nicer := mine[0], mine[0]+2
	r, err := ranks.Run(t.Context(), true, WithNice(nicer))
	require.NoError(t, err)
	require.Greater(t, len(r.Nice), 2, "all threads")
	require.Equal(t, slices.Repeat([]int{nicer}, len(r.Nice)), r.Nice)
	require.Equal(t, slices.Repeat([]int{nicer}, len(r.Below)), r.Below, "and its children")

	r, err = ranks.Run(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, slices.Repeat([]int{own}, len(r.Nice)), r.Nice, "the next one does not have it")
}

func TestAProcessIsBoundToItsCPUsFromTheBeginning(t *testing.T) {
	before := NumCPU()
	r, err := ranks.Run(t.Context(), false, WithCPUs(aCPU(t)))
	require.NoError(t, err)
	require.Equal(t, 1, r.CPUs)
	require.Equal(t, 1, r.Procs, "the Go runtime knew")
	require.Equal(t, before, NumCPU())

	_, err = ranks.Run(t.Context(), false, WithCPUs(100_000))
	require.ErrorIs(t, err, syscall.EINVAL)
	require.ErrorContains(t, err, "100000")
}

// aCPU is one that this process may use.
func aCPU(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, list, ok := strings.Cut(string(status), "Cpus_allowed_list:\t")
	require.True(t, ok)
	n, err := strconv.Atoi(list[:strings.IndexFunc(list, func(r rune) bool { return r < '0' || r > '9' })])
	require.NoError(t, err)
	return n
}

func TestGOMAXPROCSIsAnOption(t *testing.T) {
	r, err := ranks.Run(t.Context(), false, WithMaxProcs(3))
	require.NoError(t, err)
	require.Equal(t, 3, r.Procs)
	r, err = ranks.Run(t.Context(), false, WithMaxProcs(5), WithEnv("GOMAXPROCS=2"))
	require.NoError(t, err)
	require.Equal(t, 5, r.Procs, "also beside an environment, in any order")
}

var readsMemoryLimit = Register("test.readsMemoryLimit", func(_ context.Context, hoard int) (int64, error) {
	b := make([]byte, hoard)
	for i := range b {
		b[i] = 1
	}
	return debug.SetMemoryLimit(-1), nil
})

// skipWithDetector skips tests of memory limits: the race detector's own memory
// counts, and it does not say that it got none.
func skipWithDetector(t *testing.T) {
	t.Helper()
	if race.Enabled {
		t.Skip("this is with the race detector")
	}
}

func TestTheGarbageCollectorKnowsTheMemoryLimit(t *testing.T) {
	skipWithDetector(t)
	n, err := readsMemoryLimit.Run(t.Context(), 50<<20, WithMemoryLimit(100<<20))
	require.NoError(t, err, "half of it can be had")
	require.Equal(t, int64(90<<20), n)
	n, err = readsMemoryLimit.Run(t.Context(), 0, WithMemoryLimit(100<<20), WithEnv("GOMEMLIMIT=77MiB"))
	require.NoError(t, err)
	require.Equal(t, int64(77<<20), n)
}

var sharesMuch = Register("test.sharesMuch", func(_ context.Context, n int) (int, error) {
	a, err := NewArray[byte](n)
	if err != nil {
		return 0, err
	}
	for i := range a.Len() {
		a.Set(i, 1)
	}
	return a.Len(), a.Free()
})

func TestTheMemoryLimitDoesNotCountSharedMemory(t *testing.T) {
	skipWithDetector(t)
	n, err := sharesMuch.Run(t.Context(), 64<<20, WithMemoryLimit(32<<20))
	require.NoError(t, err)
	require.Equal(t, 64<<20, n)
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	requireNoLeak(t)
	for what, opt := range map[string]ProcessOption{
		"WithMaxProcs":    WithMaxProcs(0),
		"WithCPUs":        WithCPUs(),
		"WithMemoryLimit": WithMemoryLimit(-1),
		"WithMaxDepth":    WithMaxDepth(-1),
	} {
		_, err := square.Start(t.Context(), 3, opt)
		require.ErrorContains(t, err, what)
	}
	require.Empty(t, childPIDs())
}

// bomb starts itself without end.
var bomb *Func[struct{}, int]

func init() {
	bomb = Register("test.bomb", func(ctx context.Context, _ struct{}) (int, error) {
		n, err := bomb.Run(ctx, struct{}{})
		return n + 1, err
	})
}

func TestGenerationsAreLimited(t *testing.T) {
	ctx := t.Context()
	for depth := range 3 {
		_, err := bomb.Run(ctx, struct{}{}, WithMaxDepth(depth))
		require.ErrorIs(t, err, ErrTooDeep)
		require.Equal(t, depth+2, strings.Count(err.Error(), `"test.bomb"`), "of which the last is not started: %v", err)
	}
	_, err := parents.Run(ctx, 2, WithMaxDepth(2))
	require.NoError(t, err)
	_, err = hasPool.Run(ctx, 3, WithMaxDepth(0))
	require.ErrorIs(t, err, ErrTooDeep, "workers are a generation, too")
	left, err := depthLeft.Run(ctx, struct{}{})
	require.NoError(t, err)
	require.Equal(t, maxDepth-1, left)
	left, err = depthLeft.Run(ctx, struct{}{}, WithMaxDepth(1000))
	require.NoError(t, err)
	require.Equal(t, maxDepth-1, left, "nobody can have more than its parent")
}

var depthLeft = Register("test.depthLeft", func(context.Context, struct{}) (int, error) { return self.depth, nil })
