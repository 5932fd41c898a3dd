package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// A fault is what happens to a worker, and what its caller hears of it.
type fault struct {
	name string
	act  func() error
	died func(*WorkerDiedError) bool // nil if the worker survives it
	want func(error) bool            // for those that it survives
}

var poolFaults = []fault{
	{name: "error", act: func() error { return errors.New("trapped") }, want: func(err error) bool {
		return errors.As(err, new(*RemoteError)) && strings.Contains(err.Error(), "trapped")
	}},
	{name: "panic", act: func() error { panic("trapped") }, want: func(err error) bool {
		p := new(PanicError)
		if errors.As(err, &p) {
			return p.Value == "trapped" && p.Stack != ""
		}
		return errors.As(err, new(*RemoteError)) && strings.Contains(err.Error(), "coding panicked: trapped") // of a codec
	}},
	{name: "exit", act: func() error { os.Exit(3); return nil },
		died: func(e *WorkerDiedError) bool { return e.ExitCode == 3 && e.Signal == 0 }},
	{name: "fatal", act: func() error { new(sync.Mutex).Unlock(); return nil },
		died: func(e *WorkerDiedError) bool {
			return e.ExitCode == 2 && strings.Contains(e.Stderr, "sync.fatal")
		}},
	{name: "segv", act: func() error { return suicide(syscall.SIGSEGV) },
		died: func(e *WorkerDiedError) bool { return e.ExitCode == 2 && strings.Contains(e.Stderr, "SIGSEGV") }},
	{name: "kill", act: func() error { return suicide(syscall.SIGKILL) },
		died: func(e *WorkerDiedError) bool { return e.Signal == syscall.SIGKILL && e.ExitCode == -9 }},
	{name: "stop", act: func() error { return suicide(syscall.SIGSTOP) },
		want: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	{name: "memory", act: outOfMemory,
		died: func(e *WorkerDiedError) bool {
			return e.ExitCode == 2 && e.OOM && strings.Contains(e.Stderr, "outOfMemory")
		}},
}

func suicide(sig syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		return err
	}
	if sig == syscall.SIGSTOP {
		<-time.After(100 * time.Millisecond) // the signal finds some thread, not at once this one
		return nil                           // if it is continued
	}
	select {}
}

// outOfMemory allows this process little, and takes much.
func outOfMemory() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: 64 << 20, Max: 64 << 20}); err != nil {
		return err
	}
	_ = make([]byte, 1<<30)
	return errors.New("there was memory")
}

func act(name string) error {
	for _, f := range poolFaults {
		if f.name == name {
			return f.act()
		}
	}
	return nil
}

// A trap is where what happens. It happens while it is decoded, in the function, or
// while the result is encoded; or afterwards, when the bell rings.
type trap struct {
	Text baited // the argument that is decoded
	At   string
	What string
	Bell *Event
}

// baited goes off when it is decoded, if it says so.
type baited struct{ what string }

func (b baited) MarshalCBOR() ([]byte, error) { return cbor.Marshal(b.what) }

func (b *baited) UnmarshalCBOR(encoded []byte) error {
	if err := cbor.Unmarshal(encoded, &b.what); err != nil {
		return err
	}
	return act(b.what)
}

// loaded goes off when it is encoded, if it says so.
type loaded struct {
	what string
	by   int // pid of who encoded it
}

func (l loaded) MarshalCBOR() ([]byte, error) {
	if err := act(l.what); err != nil {
		return nil, err
	}
	return cbor.Marshal(os.Getpid())
}

// reading is what the parent does while it reads a result.
var reading func() error

func (l *loaded) UnmarshalCBOR(encoded []byte) error {
	if reading != nil {
		if err := reading(); err != nil {
			return err
		}
	}
	return cbor.Unmarshal(encoded, &l.by)
}

var (
	springs = Register("test.springs", func(ctx context.Context, in trap) (loaded, error) {
		switch in.At {
		case "function":
			return loaded{}, act(in.What)
		case "encode":
			return loaded{what: in.What}, nil
		case "later":
			go func() {
				if in.Bell.Wait(context.WithoutCancel(ctx)) == nil {
					_ = act(in.What)
				}
			}()
		}
		return loaded{}, nil
	})

	springsFirst = Register("test.springsFirst", func(_ context.Context, what string) (struct{}, error) {
		return struct{}{}, act(what)
	})
)

func init() { beforeInit = springOnce }

// springOnce makes the first process that comes here do what the environment says,
// before it is anything.
func springOnce() {
	what, path := os.Getenv("MP_TEST_SPRING"), os.Getenv("MP_TEST_SPRING_ONCE")
	if what == "" || !IsChild() {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return // another one was first
	}
	_ = f.Close()
	if err := act(what); err != nil {
		os.Exit(1)
	}
}

// matrixOptions keep every cell short. A stopped worker ends by the timeout, which leaves
// the others time on a busy machine.
var matrixOptions = []PoolOption{WithPoolGrace(30 * time.Millisecond), WithTaskTimeout(3 * time.Second)}

// A column is when a fault happens. spring makes it happen, and returns the error of
// the call that it happened to.
type column struct {
	name   string
	spring func(t *testing.T, p *Pool, what string) error
}

func TestThePoolSurvivesEveryFaultAtEveryMoment(t *testing.T) {
	warmUp(t)
	requireEmpty(t)
	testkit.LeakCheck(t)
	columns := []column{
		{"decode argument", func(t *testing.T, p *Pool, what string) error {
			_, err := springs.Call(t.Context(), p, trap{Text: baited{what}})
			return err
		}},
		{"in the function", func(t *testing.T, p *Pool, what string) error {
			_, err := springs.Call(t.Context(), p, trap{At: "function", What: what})
			return err
		}},
		{"encode result", func(t *testing.T, p *Pool, what string) error {
			_, err := springs.Call(t.Context(), p, trap{At: "encode", What: what})
			return err
		}},
		{"result is read", func(t *testing.T, p *Pool, what string) error { return springLater(t, p, what, true) }},
		{"idle", func(t *testing.T, p *Pool, what string) error { return springLater(t, p, what, false) }},
	}
	started := time.Now()
	var table strings.Builder
	fmt.Fprintf(&table, "%-8s", "")
	for _, c := range columns {
		fmt.Fprintf(&table, " | %-28s", c.name)
	}
	fmt.Fprintf(&table, " | %-28s | %-28s\n", "initializer", "before it is ready")
	for _, f := range poolFaults {
		fmt.Fprintf(&table, "%-8s", f.name)
		for _, c := range columns {
			fmt.Fprintf(&table, " | %-28s", matrixCell(t, f, c))
		}
		fmt.Fprintf(&table, " | %-28s | %-28s\n", initializerCell(t, f), earlyCell(t, f))
	}
	t.Logf("%d pools in %v\n%s", 7*len(poolFaults), time.Since(started), table.String())
	requireEmpty(t)
}

// springLater lets a call return, and then what happens to its worker: while its
// result is read, or afterwards. An error while the result is read is the reader's, who
// is told of it; so is a panic there, and the worker panics as well. An idle worker that
// has an error, and nobody to tell, goes on.
func springLater(t *testing.T, p *Pool, what string, whileRead bool) error {
	bell, err := NewEvent()
	require.NoError(t, err)
	defer func() { _ = bell.Free() }()
	if whileRead {
		reading = func() error {
			if err := bell.Set(); err != nil || what != "error" && what != "panic" {
				return err
			}
			return act(what)
		}
		defer func() { reading = nil }()
	}
	_, err = springs.Call(t.Context(), p, trap{At: "later", What: what, Bell: bell})
	require.NoError(t, bell.Set())
	switch what {
	case "error":
	case "stop":
		eventually(t, func() bool { return len(stoppedWorkers()) == 1 }, "a stopped worker")
	default:
		eventually(t, func() bool { return p.Stats().Died == 1 }, "a dead worker")
	}
	return err
}

// stoppedWorkers are the children that are stopped.
func stoppedWorkers() (stopped []*Process) {
	for _, c := range ActiveChildren() {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.PID()))
		if i := strings.LastIndexByte(string(stat), ')'); i >= 0 && strings.HasPrefix(string(stat[i:]), ") T") {
			stopped = append(stopped, c)
		}
	}
	return stopped
}

// matrixCell has one fault happen in a pool that is at work, and says what was seen.
func matrixCell(t *testing.T, f fault, c column) string {
	t.Helper()
	where := f.name + ", " + c.name
	p, err := NewPool(t.Context(), 2, matrixOptions...)
	require.NoError(t, err, where)
	in := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	others := make(chan error, 1)
	go func() {
		_, err := square.Map(t.Context(), p, in, WithChunk(1))
		others <- err
	}()
	later := c.name == "idle" || c.name == "result is read"
	if later {
		require.NoError(t, <-others, where) // or one of them would be what the worker is at
		others <- nil
	}
	err = c.spring(t, p, f.name)
	require.NoError(t, <-others, where)
	readers := c.name == "result is read" && (f.name == "error" || f.name == "panic")
	switch died := new(WorkerDiedError); {
	case readers:
		require.ErrorContains(t, err, "trapped", where)
		require.ErrorContains(t, err, "test.springs", where)
		require.NotErrorAs(t, err, new(*RemoteError), where)
	case later:
		require.NoError(t, err, where)
	case f.died == nil:
		require.True(t, f.want(err), "%s: %v", where, err)
	default:
		require.ErrorAs(t, err, &died, where)
		require.True(t, f.died(died), "%s: %+v", where, died)
		require.Equal(t, "test.springs", died.Func)
		require.Equal(t, 1, died.Attempt)
		require.NotZero(t, died.PID)
	}
	for range 4 { // with a stopped worker, too
		out, err := square.Map(t.Context(), p, in, WithChunk(1))
		require.NoError(t, err, where)
		require.Len(t, out, len(in))
	}
	if later { // else the timeout ends it
		for _, s := range stoppedWorkers() {
			_ = s.Signal(syscall.SIGCONT)
		}
	}
	deaths := 1
	if f.name == "error" || f.name == "panic" && !later || f.name == "stop" && later {
		deaths = 0 // one that was stopped goes on, unless its call took too long
	}
	eventually(t, func() bool { s := p.Stats(); return s.Workers == 2 && s.Died == deaths }, where+": two workers")
	require.NoError(t, p.Close(), where)
	return describe(err)
}

// Results that come while Map reads others are read, too, and to read may be to call the
// pool.
func TestAResultThatComesWhileAnotherIsReadIsNotLost(t *testing.T) {
	p := newPool(t, 2)
	in := make([]trap, 20)
	first := true
	reading = func() (err error) {
		for first && err == nil {
			_, err = square.Call(t.Context(), p, 1) // reads the answers of others, too
			s := p.Stats()
			first = s.Done < s.Tasks
		}
		return err
	}
	defer func() { reading = nil }()
	out, err := springs.Map(t.Context(), p, in, WithChunk(1))
	require.NoError(t, err)
	require.False(t, first)
	for i, v := range out {
		require.NotZero(t, v.by, "input %d", i)
	}
}

// initializerCell has a fault happen in an initializer.
func initializerCell(t *testing.T, f fault) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if f.name == "stop" {
		go func() {
			defer cancel()
			eventually(t, func() bool { return len(stoppedWorkers()) == 2 }, "two stopped workers")
		}()
	}
	_, err := NewPool(ctx, 2, append(matrixOptions, WithInitializer(springsFirst, f.name))...)
	exit := new(ExitError)
	switch {
	case f.name == "stop":
		require.ErrorIs(t, err, context.Canceled)
	case f.died == nil:
		require.True(t, f.want(err), "initializer, %s: %v", f.name, err)
	default:
		require.ErrorAs(t, err, &exit, "initializer, %s", f.name)
		require.True(t, f.died(&WorkerDiedError{Signal: exit.Signal, ExitCode: exit.Code, OOM: exit.OOM, Stderr: exit.Crash}), "%v", exit)
	}
	require.Empty(t, ActiveChildren(), "initializer, %s", f.name)
	return describe(err)
}

// earlyCell has a fault happen in a worker before it is ready. No call is lost by it.
func earlyCell(t *testing.T, f fault) string {
	t.Helper()
	once := t.TempDir() + "/once"
	env := append(os.Environ(), "MP_TEST_SPRING="+f.name, "MP_TEST_SPRING_ONCE="+once)
	p, err := NewPool(t.Context(), 2, append(matrixOptions, WithPoolEnv(env...))...)
	require.NoError(t, err)
	out, err := square.Map(t.Context(), p, make([]int, 20), WithChunk(1))
	require.NoError(t, err, "before it is ready, %s", f.name)
	require.Len(t, out, 20)
	for _, s := range stoppedWorkers() {
		_ = s.Signal(syscall.SIGCONT)
	}
	require.FileExists(t, once, "it happened")
	deaths := 1
	if f.name == "stop" {
		deaths = 0
	}
	eventually(t, func() bool { s := p.Stats(); return s.Workers == 2 && s.Died == deaths }, "two workers")
	require.NoError(t, p.Close())
	return describe(err)
}

// describe is an error in a few words.
func describe(err error) string {
	died, exit, panicked, remote := new(WorkerDiedError), new(ExitError), new(PanicError), new(RemoteError)
	switch {
	case err == nil:
		return "nil"
	case errors.As(err, &died):
		return fmt.Sprintf("WorkerDied code %d", died.ExitCode)
	case errors.As(err, &exit):
		return fmt.Sprintf("Exit code %d", exit.Code)
	case errors.As(err, &panicked):
		return "Panic"
	case errors.As(err, &remote):
		return "Remote"
	case errors.Is(err, context.DeadlineExceeded):
		return "DeadlineExceeded"
	case errors.Is(err, context.Canceled):
		return "Canceled"
	}
	return "the reader's"
}
