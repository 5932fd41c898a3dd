package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// These tests stand for those of the same names in CPython's
// Lib/test/_test_multiprocessing.py. Others of _TestProcess are in the tests of
// what they are about:
//
//	test_set_executable     TestAnotherBuildIsRefused, where a copy is taken
//	test_active_children    TestReferenceProcessLifecycle
//
// Not applicable: test_process_mainthread_native_id (Go's threads have no names that a
// program could see), test_lose_target_ref (nothing counts references; what an argument
// spoke of is given back, see TestProcessesLeaveNothingBehind), test_forkserver_sigint,
// test_forkserver_sigkill (nobody else starts processes), _TestFinalize beyond AtExit,
// TestInitializers.test_manager_initializer (there are no managers).

// _TestProcess.test_current
func TestReferenceProcessCurrent(t *testing.T) {
	me := Current()
	require.Equal(t, os.Getpid(), me.PID)
	require.Equal(t, "main", me.Name)
	select {
	case <-me.Done():
		t.Fatal("it is running")
	default:
	}
	require.Nil(t, Parent())
	require.False(t, IsChild())
}

// manyKinds is an argument of many kinds.
type manyKinds struct {
	Int    int
	Text   string
	List   []string
	Tuple  struct{ A, B int8 }
	Map    map[string][]float64
	Bytes  []byte
	Nested *manyKinds
}

var echoesKinds = Register("test.echoesKinds", func(_ context.Context, in manyKinds) (manyKinds, error) { return in, nil })

// _TestProcess.test_args_argument
func TestReferenceProcessArgsArgument(t *testing.T) {
	for _, in := range []manyKinds{
		{},
		{Int: 1, Text: "x", List: []string{"a", ""}},
		{Text: "ä\x00日本", Map: map[string][]float64{"a": {1.5, -2}, "": nil}, Bytes: []byte{0, 255}},
		{Nested: &manyKinds{Nested: &manyKinds{Int: -1}}},
	} {
		in.Tuple.A, in.Tuple.B = 3, -4
		out, err := echoesKinds.Run(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, in, out)
	}
}

// kinship says who a process thinks it is.
type kinship struct {
	PID, ParentPID   int
	Name, ParentName string
	HasParent        bool
}

var saysWho = Register("test.saysWho", func(context.Context, struct{}) (kinship, error) {
	f := kinship{PID: Current().PID, Name: Current().Name, HasParent: Parent() != nil}
	f.ParentPID, f.ParentName = Parent().PID, Parent().Name
	return f, nil
})

var asksChild = Register("test.asksChild", func(ctx context.Context, _ struct{}) ([]kinship, error) {
	var both []kinship
	for range 2 {
		f, err := saysWho.Run(ctx, struct{}{})
		if err != nil {
			return nil, err
		}
		both = append(both, f)
	}
	return both, nil
})

// _TestProcess.test_parent_process_attributes, and the default names of test_process
func TestReferenceProcessParentAttributes(t *testing.T) {
	f, err := saysWho.Run(t.Context(), struct{}{}, WithName("somebody"))
	require.NoError(t, err)
	require.True(t, f.HasParent)
	require.Equal(t, "somebody", f.Name)
	require.Equal(t, os.Getpid(), f.ParentPID)
	require.Equal(t, "main", f.ParentName)

	p, err := asksChild.Start(t.Context(), struct{}{})
	require.NoError(t, err)
	require.Regexp(t, `^process-\d+$`, p.Name())
	require.NoError(t, p.Wait(t.Context()))
	both, err := asksChild.Run(t.Context(), struct{}{}, WithName("p"))
	require.NoError(t, err)
	require.Equal(t, "p:1", both[0].Name)
	require.Equal(t, "p:2", both[1].Name)
	require.Equal(t, "p", both[0].ParentName)
}

// _TestProcess.test_process: what is so before, while and after it runs
func TestReferenceProcessLifecycle(t *testing.T) {
	ctx := t.Context()
	in := newKeepArg(t)
	p, err := keepsLocked.Start(ctx, in, WithName("cycle"))
	require.NoError(t, err)
	_, err = in.Held.Get(ctx)
	require.NoError(t, err)
	require.True(t, p.Alive())
	_, exited := p.ExitCode()
	require.False(t, exited)
	require.Contains(t, ActiveChildren(), p)
	require.Equal(t, "cycle", p.Name())
	require.Positive(t, p.PID())
	require.Contains(t, p.String(), "running")
	require.NoError(t, in.Release.Put(ctx, 1))
	require.NoError(t, p.Wait(ctx))
	require.False(t, p.Alive())
	code, exited := p.ExitCode()
	require.True(t, exited)
	require.Zero(t, code)
	require.NotContains(t, ActiveChildren(), p)
	require.Contains(t, p.String(), "exited with code 0")
}

// _TestProcess.test_terminate, test_kill, and test_interrupt_no_handler of 3.14
func TestReferenceProcessTerminateKillInterrupt(t *testing.T) {
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for sig, send := range map[syscall.Signal]func(*Process) error{
		syscall.SIGTERM: (*Process).Terminate,
		syscall.SIGKILL: (*Process).Kill,
		syscall.SIGINT:  (*Process).Interrupt,
	} {
		p, err := waits.Start(ctx, true)
		require.NoError(t, err)
		require.Contains(t, ActiveChildren(), p)
		require.ErrorIs(t, p.Wait(ended), context.Canceled, "at once")
		require.True(t, p.Alive())
		require.NoError(t, send(p))
		err = p.Wait(ctx)
		var exit *ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, sig, exit.Signal)
		require.Equal(t, -int(sig), exit.Code)
		require.Equal(t, p.PID(), exit.PID)
		require.Equal(t, "test.waits", exit.Func)
		code, exited := p.ExitCode()
		require.True(t, exited)
		require.Equal(t, -int(sig), code)
		require.NotContains(t, ActiveChildren(), p)
		require.ErrorIs(t, send(p), os.ErrProcessDone)
	}
}

var minds = Register("test.minds", func(ctx context.Context, ready *Queue[int]) (int, error) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	if err := ready.Put(ctx, 1); err != nil {
		return 0, err
	}
	<-caught
	return 0, errors.New("interrupted")
})

// _TestProcess.test_interrupt of 3.14: with a handler it is the program's own affair
func TestReferenceProcessInterruptWithHandler(t *testing.T) {
	ready, err := NewQueue[int](1)
	require.NoError(t, err)
	p, err := minds.Start(t.Context(), ready)
	require.NoError(t, err)
	_, err = ready.Get(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.Interrupt())
	require.ErrorContains(t, p.Wait(t.Context()), "interrupted")
	code, _ := p.ExitCode()
	require.Equal(t, 1, code)
}

// _TestProcess.test_cpu_count
func TestReferenceProcessCPUCount(t *testing.T) {
	require.GreaterOrEqual(t, NumCPU(), 1)
	require.LessOrEqual(t, NumCPU(), runtime.NumCPU())
}

// branch is a process with two children, down to some depth.
var branch *Func[twig, struct{}]

type twig struct {
	Path []int
	Out  *Queue[string]
}

func init() {
	branch = Register("test.branch", func(ctx context.Context, in twig) (struct{}, error) {
		if err := in.Out.Put(ctx, fmt.Sprint(in.Path)); err != nil || len(in.Path) == 2 {
			return struct{}{}, err
		}
		for i := range 2 {
			p, err := branch.Start(ctx, twig{append(slices.Clip(in.Path), i), in.Out})
			if err != nil {
				return struct{}{}, err
			}
			if err := p.Wait(ctx); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
}

// _TestProcess.test_recursion
func TestReferenceProcessRecursion(t *testing.T) {
	out, err := NewQueue[string](10)
	require.NoError(t, err)
	_, err = branch.Run(t.Context(), twig{nil, out})
	require.NoError(t, err)
	var got []string
	for s, err := out.TryGet(); err == nil; s, err = out.TryGet() {
		got = append(got, s)
	}
	require.Equal(t, []string{"[]", "[0]", "[0 0]", "[0 1]", "[1]", "[1 0]", "[1 1]"}, got)
}

// _TestProcess.test_sentinel
func TestReferenceProcessSentinel(t *testing.T) {
	p, err := waits.Start(t.Context(), true)
	require.NoError(t, err)
	select {
	case <-p.Done():
		t.Fatal("it is running")
	default:
	}
	require.NoError(t, p.Kill())
	<-p.Done()
	<-p.Done()
}

// _TestProcess.test_close
func TestReferenceProcessClose(t *testing.T) {
	ctx := t.Context()
	p, err := waits.Start(ctx, true)
	require.NoError(t, err)
	require.ErrorIs(t, p.Release(), ErrAlive)
	require.NoError(t, p.Kill())
	require.Error(t, p.Wait(ctx))
	require.NoError(t, p.Release())
	require.NoError(t, p.Release(), "again")
	for what, use := range map[string]func() error{
		"Wait":          func() error { return p.Wait(ctx) },
		"Terminate":     p.Terminate,
		"Kill":          p.Kill,
		"Interrupt":     p.Interrupt,
		"InterruptTree": p.InterruptTree,
		"TerminateTree": p.TerminateTree,
		"KillTree":      p.KillTree,
	} {
		require.ErrorIs(t, use(), ErrClosed, what)
	}
	require.False(t, p.Alive())
}

// _TestProcess.test_many_processes
func TestReferenceProcessManyProcesses(t *testing.T) {
	requireNoLeak(t)
	const n = 100
	ctx := t.Context()
	var short, long []*Process
	for range n {
		p, err := square.Start(ctx, 3)
		require.NoError(t, err)
		short = append(short, p)
	}
	for _, p := range short {
		require.NoError(t, p.Wait(ctx))
		code, exited := p.ExitCode()
		require.True(t, exited)
		require.Zero(t, code)
	}
	for range n {
		p, err := waits.Start(ctx, true)
		require.NoError(t, err)
		long = append(long, p)
	}
	for _, p := range long {
		require.NoError(t, p.Terminate())
	}
	for _, p := range long {
		require.Error(t, p.Wait(ctx))
		code, _ := p.ExitCode()
		require.Equal(t, -int(syscall.SIGTERM), code)
	}
	require.Empty(t, childPIDs(), "no zombies either")
}

var countsFiles = Register("test.countsFiles", func(ctx context.Context, b *Barrier) (int, error) {
	if _, err := b.Wait(ctx); err != nil { // all are there
		return 0, err
	}
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return 0, err
	}
	_, err = b.Wait(ctx)
	return len(files), err
})

// _TestProcess.test_child_fd_inflation
func TestReferenceProcessChildFDInflation(t *testing.T) {
	const n = 5
	b, err := NewBarrier(n)
	require.NoError(t, err)
	counts := make(chan int, n)
	for range n {
		go func() {
			c, err := countsFiles.Run(t.Context(), b)
			if err != nil {
				c = -1
			}
			counts <- c
		}()
	}
	first := <-counts
	require.Positive(t, first)
	for range n - 1 {
		require.Equal(t, first, <-counts)
	}
}

var leavesGoroutines = Register("test.leavesGoroutines", func(_ context.Context, out *Queue[string]) (int, error) {
	var awaited sync.WaitGroup
	AtExit(awaited.Wait)
	returned := make(chan bool)
	awaited.Go(func() {
		<-returned
		_ = out.Put(context.Background(), "awaited")
	})
	go func() {
		<-make(chan bool)
		_ = out.Put(context.Background(), "never")
	}()
	AtExit(func() { close(returned) })
	return 0, nil
})

// _TestProcess.test_wait_for_threads: goroutines end with the function, but who wants
// can wait for them.
func TestReferenceProcessWaitForThreads(t *testing.T) {
	out, err := NewQueue[string](2)
	require.NoError(t, err)
	_, err = leavesGoroutines.Run(t.Context(), out)
	require.NoError(t, err)
	s, err := out.TryGet()
	require.NoError(t, err)
	require.Equal(t, "awaited", s)
	_, err = out.TryGet()
	require.ErrorIs(t, err, ErrEmpty)
}

// upper is a program with a state and two queues of its own.
type upper struct {
	In, Out *Queue[string]
	Prefix  string
}

func (u *upper) Run(ctx context.Context) error {
	for s, err := range u.In.All(ctx) {
		if err != nil {
			return err
		}
		if err := u.Out.Put(ctx, u.Prefix+strings.ToUpper(s)); err != nil {
			return err
		}
	}
	return nil
}

var uppers = RegisterType[upper]("test.uppers")

// _TestSubclassingProcess.test_subclassing
func TestReferenceSubclassingProcess(t *testing.T) {
	ctx := t.Context()
	in, err := NewQueue[string](1)
	require.NoError(t, err)
	out, err := NewQueue[string](1)
	require.NoError(t, err)
	p, err := uppers.Start(ctx, upper{in, out, "> "})
	require.NoError(t, err)
	for _, s := range []string{"hello", "world"} {
		require.NoError(t, in.Put(ctx, s))
		got, err := out.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, "> "+strings.ToUpper(s), got)
	}
	require.NoError(t, in.Close())
	require.NoError(t, p.Wait(ctx))
}

// _TestSubclassingProcess.test_stderr_flush: nothing of a crash's text is lost
func TestReferenceSubclassingStderrFlush(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = fallsOver.Run(t.Context(), "elsewhere", WithStdio(nil, nil, f))
	require.Error(t, err)
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Contains(t, string(text), "panic: deep inside")
	require.Contains(t, string(text), "crash_test.go")
	require.Contains(t, string(text), "created by")
}

var exits = Register("test.exits", func(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
})

// _TestSubclassingProcess.test_sys_exit
func TestReferenceSubclassingSysExit(t *testing.T) {
	for code, want := range map[int]int{0: 0, 1: 1, 8: 8, 255: 255, 256: 0, 300: 44, -1: 255} {
		p, err := exits.Start(t.Context(), code)
		require.NoError(t, err)
		err = p.Wait(t.Context())
		got, exited := p.ExitCode()
		require.True(t, exited)
		require.Equal(t, want, got, "os.Exit(%d)", code)
		require.Equal(t, want == 0, err == nil)
	}
}

// _TestPollEintr.test_poll_eintr
func TestReferencePollEintr(t *testing.T) {
	caught := make(chan os.Signal, 100)
	signal.Notify(caught, syscall.SIGUSR1)
	defer signal.Stop(caught)
	p, err := waits.Start(t.Context(), true)
	require.NoError(t, err)
	waited := make(chan error)
	go func() { waited <- p.Wait(t.Context()) }()
	for range 100 {
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR1))
		<-caught
	}
	require.True(t, p.Alive())
	require.NoError(t, p.Terminate())
	var exit *ExitError
	require.ErrorAs(t, <-waited, &exit)
	require.Equal(t, syscall.SIGTERM, exit.Signal)
}

var hasPool = Register("test.hasPool", func(ctx context.Context, n int) ([]int, error) {
	pool, err := NewPool(ctx, 4)
	if err != nil {
		return nil, err
	}
	out, err := square.Map(ctx, pool, make([]int, n))
	return out, errors.Join(err, pool.Close())
})

var hasQueue = Register("test.hasQueue", func(ctx context.Context, s string) (string, error) {
	q, err := NewQueue[string](1)
	if err != nil {
		return "", err
	}
	defer func() { _ = q.Free() }()
	p, err := puts.Start(ctx, letterTo{q, s})
	if err != nil {
		return "", err
	}
	got, err := q.Get(ctx)
	return got, errors.Join(err, p.Wait(ctx))
})

type letterTo struct {
	To   *Queue[string]
	Text string
}

var puts = Register("test.puts", func(ctx context.Context, l letterTo) (struct{}, error) {
	return struct{}{}, l.To.Put(ctx, l.Text)
})

// TestStdinBadfiledescriptor.test_queue_in_process, test_pool_in_process
func TestReferenceStdinBadFileDescriptor(t *testing.T) {
	s, err := hasQueue.Run(t.Context(), "through a grandchild")
	require.NoError(t, err)
	require.Equal(t, "through a grandchild", s)
	out, err := hasPool.Run(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, out, 10)
}

// A task may have processes and pools, as the first process may.
func TestATaskHasAPoolAndAProcessOfItsOwn(t *testing.T) {
	p := newPool(t, 2)
	out, err := hasPool.Map(t.Context(), p, []int{3, 5}, WithChunk(1))
	require.NoError(t, err)
	require.Len(t, out[0], 3)
	require.Len(t, out[1], 5)
	s, err := hasQueue.Call(t.Context(), p, "through a task's process")
	require.NoError(t, err)
	require.Equal(t, "through a task's process", s)
	require.NoError(t, p.Close())
}

var passesOn = Register("test.passesOn", func(ctx context.Context, q *Queue[string]) (struct{}, error) {
	if err := q.Put(ctx, "child"); err != nil {
		return struct{}{}, err
	}
	return puts.Run(ctx, letterTo{q, "grandchild"})
})

// TestStartMethod.test_nested_startmethod
func TestReferenceNestedStart(t *testing.T) {
	q, err := NewQueue[string](2)
	require.NoError(t, err)
	_, err = passesOn.Run(t.Context(), q)
	require.NoError(t, err)
	for _, want := range []string{"child", "grandchild"} {
		s, err := q.TryGet()
		require.NoError(t, err)
		require.Equal(t, want, s)
	}
}

var readsFlags *Func[int, []string]

func init() {
	readsFlags = Register("test.readsFlags", func(ctx context.Context, depth int) ([]string, error) {
		own := os.Getenv("GOTRACEBACK") + " " + os.Getenv("GODEBUG") + " " + fmt.Sprint(runtime.GOMAXPROCS(0))
		if depth == 0 {
			return []string{own}, nil
		}
		below, err := readsFlags.Run(ctx, depth-1)
		return append([]string{own}, below...), err
	})
}

// TestFlags.test_flags: what tunes the Go runtime holds in all generations
func TestReferenceFlags(t *testing.T) {
	env := append(os.Environ(), "GOTRACEBACK=all", "GODEBUG=madvdontneed=1")
	flags, err := readsFlags.Run(t.Context(), 2, WithEnv(env...), WithMaxProcs(3))
	require.NoError(t, err)
	require.Equal(t, slices.Repeat([]string{"all madvdontneed=1 3"}, 3), flags)
}

var reports = Register("test.reports", func(context.Context, int) (string, error) {
	return fmt.Sprintf("%t %s %d", IsChild(), Current().Name, len(ExtraFiles())), nil
})

// TestStartMethod.test_context, test_set_get: what was configured arrives
func TestReferenceStartMethodContext(t *testing.T) {
	s, err := reports.Run(t.Context(), 0, WithName("configured"), WithExtraFiles(os.Stdin))
	require.NoError(t, err)
	require.Equal(t, "true configured 1", s)
}

// withoutStdio starts processes while this one's standard files are what a shell left
// of them, then closed, and then none at all.
func withoutStdio(ctx context.Context) (results []string) {
	run := func() {
		n, err := square.Run(ctx, 3)
		results = append(results, fmt.Sprint(n, " ", err))
	}
	run()
	_, _, _ = os.Stdin.Close(), os.Stdout.Close(), os.Stderr.Close()
	run()
	taken, err := os.Open(os.DevNull) // and their numbers are given to others
	run()
	os.Stdin, os.Stdout, os.Stderr = nil, nil, nil
	run()
	return append(results, fmt.Sprint(err, taken.Close()))
}

// _TestProcess.test_error_on_stdio_flush_1
func TestReferenceProcessParentWithoutStdio(t *testing.T) {
	const variable = "MP_TEST_WITHOUT_STDIO"
	if out := os.Getenv(variable); out != "" {
		results := withoutStdio(t.Context())
		require.NoError(t, os.WriteFile(out, []byte(strings.Join(results, "\n")), 0o600))
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	for _, closed := range []string{"", "<&- >&- 2>&-"} {
		out := filepath.Join(t.TempDir(), "out")
		cmd := exec.Command("sh", "-c", "exec "+exe+" -test.run=^"+t.Name()+"$ "+closed)
		cmd.Env = append(os.Environ(), variable+"="+out)
		require.NoError(t, cmd.Run())
		text, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("9 <nil>\n", 4)+"<nil> <nil>", string(text))
	}
}

var closesStdio = Register("test.closesStdio", func(context.Context, int) (int, error) {
	err := errors.Join(os.Stdin.Close(), os.Stdout.Close(), os.Stderr.Close())
	os.Stdin, os.Stdout, os.Stderr = nil, nil, nil
	return 7, err
})

// _TestProcess.test_error_on_stdio_flush_2: the child closes its own
func TestReferenceProcessChildWithoutStdio(t *testing.T) {
	n, err := closesStdio.Run(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, 7, n)
	p, err := closesStdio.Start(t.Context(), 0)
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
}
