package mp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// A fileTask is what a process does with a File: write the text, or read as much as is
// wanted.
type fileTask struct {
	File *File
	Text string
	Want int
}

func (f fileTask) do(ctx context.Context) (fileTask, error) {
	o, err := f.File.Open(ctx)
	if err != nil {
		return f, err
	}
	defer func() { _ = o.Close() }()
	if f.Want > 0 {
		b := make([]byte, f.Want)
		_, err = io.ReadFull(o, b)
		f.Text = string(b)
		return f, err
	}
	_, err = o.WriteString(f.Text)
	return f, err
}

// A fileDesk is where a process gets tasks and puts them when they are done.
type fileDesk struct {
	Pipe  *Conn[fileTask]
	Queue *Queue[fileTask]
}

var (
	doesFileTask = Register("test.doesFileTask", func(ctx context.Context, in fileTask) (fileTask, error) { return in.do(ctx) })

	doesFileTasks = Register("test.doesFileTasks", func(ctx context.Context, in fileDesk) (int, error) {
		for {
			task, err := in.Pipe.Recv(ctx)
			if err == nil {
				task, err = task.do(ctx)
			}
			if err == nil {
				err = in.Queue.Put(ctx, task)
			}
			if err != nil {
				return 0, ignoreEOF(err)
			}
			_ = task.File.Free()
		}
	})

	sendsFileTaskDown = Register("test.sendsFileTaskDown", func(ctx context.Context, in fileTask) (fileTask, error) {
		return doesFileTask.Run(ctx, in)
	})
)

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// filePipe is a pipe, of which the reading end is this process's and closed at the end
// of the test, and the other one a File.
func filePipe(t require.TestingT) (r *os.File, f *File) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	f, err = NewFile(context.Background(), w)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return r, f
}

// requireEnd reads the text, and then the end: nobody has the other end any more.
func requireEnd(t require.TestingT, r *os.File, text string) {
	require.NoError(t, r.SetReadDeadline(time.Now().Add(hangs)))
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, text, string(b))
	require.NoError(t, r.Close())
}

func TestAFileTravelsInWhateverCarriesIt(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	mine, its := aPipe[fileTask](t)
	pool := newPool(t, 1)
	queue, err := NewQueue[fileTask](2)
	require.NoError(t, err)
	p, err := doesFileTasks.Start(ctx, fileDesk{its, queue})
	require.NoError(t, err)
	for way, send := range map[string]func(fileTask) (fileTask, error){
		"argument and result of a process": func(in fileTask) (fileTask, error) { return doesFileTask.Run(ctx, in) },
		"argument and result of a call":    func(in fileTask) (fileTask, error) { return doesFileTask.Call(ctx, pool, in) },
		"a grandchild":                     func(in fileTask) (fileTask, error) { return sendsFileTaskDown.Run(ctx, in) },
		"a pipe, and a queue back": func(in fileTask) (fileTask, error) {
			if err := mine.Send(ctx, in); err != nil {
				return in, err
			}
			return queue.Get(ctx)
		},
	} {
		r, f := filePipe(t)
		back, err := send(fileTask{File: f, Text: way})
		require.NoError(t, err, way)
		require.NoError(t, f.Free())
		_, err = fileTask{File: back.File, Text: ", and back"}.do(ctx)
		require.NoError(t, err, way)
		require.NoError(t, back.File.Free())
		text := make([]byte, len(way+", and back"))
		_, err = io.ReadFull(r, text)
		require.NoError(t, err, way)
		require.Equal(t, way+", and back", string(text))
		require.NoError(t, r.Close())
	}
	require.NoError(t, mine.Close())
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, queue.Free())
}

// givesFile makes a File of a new pipe, with some text to read, puts it into the queue
// and ends in some way.
var givesFile = Register("test.givesFile", func(ctx context.Context, in giveFileArg) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	f, err := NewFile(ctx, r)
	if err != nil {
		return 0, err
	}
	if _, err := w.WriteString("from the dead"); err != nil {
		return 0, err
	}
	if err := in.Queue.Put(ctx, f); err != nil {
		return 0, err
	}
	if in.Die {
		killMyself()
	}
	return 0, nil
})

type giveFileArg struct {
	Queue *Queue[*File]
	Die   bool
}

func TestAFileOutlivesWhoMadeAndSentIt(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	queue, err := NewQueue[*File](2)
	require.NoError(t, err)
	for _, die := range []bool{false, true} {
		_, err := givesFile.Run(ctx, giveFileArg{queue, die})
		require.Equal(t, die, err != nil)
		f, err := queue.Get(ctx)
		require.NoError(t, err)
		got, err := doesFileTask.Run(ctx, fileTask{File: f, Want: 4})
		require.NoError(t, err)
		require.Equal(t, "from", got.Text)
		require.NoError(t, f.Free())
		r, err := got.File.Open(ctx)
		require.NoError(t, err)
		require.NoError(t, got.File.Free())
		requireEnd(t, r, " the dead")
	}
	require.NoError(t, queue.Free())
}

func TestAllWhoOpenAFileHaveOneOffset(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	o, err := os.CreateTemp(t.TempDir(), "file")
	require.NoError(t, err)
	defer func() { _ = o.Close() }()
	f, err := NewFile(ctx, o)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("File %q", o.Name()), f.String())
	for _, text := range []string{"one ", "two ", "three"} {
		got, err := doesFileTask.Run(ctx, fileTask{File: f, Text: text})
		require.NoError(t, err)
		require.NoError(t, got.File.Free())
	}
	at, err := o.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.Equal(t, int64(len("one two three")), at)
	again, err := f.Open(ctx)
	require.NoError(t, err)
	require.Equal(t, o.Name(), again.Name())
	require.NoError(t, f.Free())
	_, err = again.Seek(4, io.SeekStart)
	require.NoError(t, err, "it stays open when the File is freed")
	text, err := io.ReadAll(o)
	require.NoError(t, err)
	require.Equal(t, "two three", string(text))
	require.NoError(t, again.Close())
}

func TestAFileThatIsNotThere(t *testing.T) {
	requireNoLeak(t)
	ctx := t.Context()
	_, err := NewFile(ctx, nil)
	require.ErrorIs(t, err, os.ErrInvalid)
	r, f := filePipe(t)
	require.NoError(t, r.Close())
	_, err = NewFile(ctx, r)
	require.ErrorIs(t, err, os.ErrClosed)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = NewFile(ended, os.Stdin)
	require.ErrorIs(t, err, context.Canceled)
	_, err = f.Open(ended)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, f.Free())
	_, err = f.Open(ctx)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, f.Free(), ErrClosed)
	require.Equal(t, "File (freed)", f.String())
	_, err = new(File).Open(ctx)
	require.ErrorIs(t, err, ErrClosed)
}

func TestASocketWorksInAnotherProcess(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/socket"} {
		l, err := net.Listen(network, address)
		require.NoError(t, err)
		lf, err := l.(interface{ File() (*os.File, error) }).File()
		require.NoError(t, err)
		f, err := NewFile(ctx, lf)
		require.NoError(t, err)
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		_, _ = lf.Close(), l.Close()
		p, err := answersOnSocket.Start(ctx, f)
		require.NoError(t, err, "it has the listener, and this process not any more")

		dialled, err := dials.Run(ctx, [2]string{network, l.Addr().String()})
		require.NoError(t, err)
		c := connOf(t, dialled)
		require.NoError(t, c.SetDeadline(time.Now().Add(hangs)))
		_, err = io.WriteString(c, "hello")
		require.NoError(t, err)
		require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "HELLO", string(answer))
		require.NoError(t, c.Close())
		require.NoError(t, p.Wait(ctx))
		_, _ = f.Free(), dialled.Free()
	}
}

// The way to the keeper is inherited, and needs no name and no right over other processes.
func TestAFileReachesOtherNamespaces(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	r, f := filePipe(t)
	got, err := doesFileTask.Run(ctx, fileTask{File: f, Text: "from far away"}, WithCommand(func(cmd *exec.Cmd) {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET
	}))
	if errors.Is(err, syscall.EPERM) {
		_, _ = r.Close(), f.Free()
		t.Skip("no namespaces here: ", err)
	}
	require.NoError(t, err)
	giveBack(t, []freer{f, got.File})
	requireEnd(t, r, "from far away")
}

// connOf is the connection that a File is.
func connOf(t *testing.T, f *File) net.Conn {
	t.Helper()
	o, err := f.Open(t.Context())
	require.NoError(t, err)
	c, err := net.FileConn(o)
	require.NoError(t, err)
	require.NoError(t, o.Close())
	return c
}

// answersOnSocket accepts one connection of a listener, and answers in capitals.
var answersOnSocket = Register("test.answersOnSocket", func(ctx context.Context, f *File) (int, error) {
	o, err := f.Open(ctx)
	if err != nil {
		return 0, err
	}
	l, err := net.FileListener(o)
	if err != nil {
		return 0, err
	}
	c, err := l.Accept()
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(c)
	if err != nil {
		return 0, err
	}
	_, err = io.WriteString(c, strings.ToUpper(string(text)))
	return 0, errors.Join(err, c.Close())
})

// dials returns a connection.
var dials = Register("test.dials", func(ctx context.Context, to [2]string) (*File, error) {
	c, err := net.Dial(to[0], to[1])
	if err != nil {
		return nil, err
	}
	return fileOfConn(ctx, c)
})

// keepsFile has the File until it is killed or told to free it.
var keepsFile = Register("test.keepsFile", func(ctx context.Context, in keepFileArg) (int, error) {
	if err := in.Has.Set(); err != nil {
		return 0, err
	}
	if err := in.Free.Wait(ctx); err != nil {
		return 0, err
	}
	if err := in.File.Free(); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, nil
})

type keepFileArg struct {
	File *File
	Has  *Event
	Free *Event
}

// The reader of a pipe finds the end when nobody can open the writer any more.
func TestTheLastHandleOfAFileClosesIt(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)

	r, f := filePipe(t)
	require.NoError(t, f.Free())
	requireEnd(t, r, "")

	for _, killed := range []bool{false, true} {
		has, free := newly(NewEvent()), newly(NewEvent())
		r, f := filePipe(t)
		p, err := keepsFile.Start(ctx, keepFileArg{f, has, free})
		require.NoError(t, err)
		require.NoError(t, has.Wait(ctx))
		require.NoError(t, f.Free())
		if killed {
			require.NoError(t, p.Kill())
		} else {
			require.NoError(t, free.Set())
		}
		requireEnd(t, r, "")
		_ = p.Kill()
		<-p.Done()
		giveBack(t, []freer{has, free})
	}

	queue, err := NewQueue[*File](2)
	require.NoError(t, err)
	r, f = filePipe(t)
	require.NoError(t, queue.Put(ctx, f))
	require.NoError(t, f.Free())
	require.NoError(t, queue.Free())
	requireEnd(t, r, "")

	r, w, err := os.Pipe()
	require.NoError(t, err)
	a, b := aPipe[*File](t)
	f, err = NewFile(ctx, w)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, a.Send(ctx, f))
	require.NoError(t, f.Free())
	_, _ = a.Close(), b.Close()
	requireEnd(t, r, "")
}

// fileStorm makes Files, opens them and those of others, and sends them, until it is
// killed.
var fileStorm = Register("test.fileStorm", func(ctx context.Context, in fileStormArg) (int, error) {
	for {
		f, err := aStormyFile(ctx)
		if err != nil {
			return 0, err
		}
		o, err := f.Open(ctx)
		if err != nil {
			return 0, err
		}
		other, err := in.Shared.Open(ctx)
		if err != nil {
			return 0, err
		}
		_, _ = o.Close(), other.Close()
		if err := in.Queue.Put(ctx, f); err != nil {
			return 0, err
		}
		_ = f.Free()
	}
})

func aStormyFile(ctx context.Context) (*File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	return NewFile(ctx, r)
}

type fileStormArg struct {
	Queue  *Queue[*File]
	Shared *File
}

// Whoever is killed, while it makes, opens, sends or frees, leaves no descriptor behind;
// and what has come in a message can be opened.
func TestKilledUsersOfFilesLeaveNothing(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	kills := 40
	if brief() {
		kills = 10
	}
	r, shared := filePipe(t)
	queue, err := NewQueue[*File](4)
	require.NoError(t, err)
	use := func(f *File) {
		o, err := f.Open(ctx)
		require.NoError(t, err)
		require.NoError(t, o.Close())
		require.NoError(t, f.Free())
	}
	for range kills {
		var pair [2]*Process
		for i := range pair {
			pair[i], err = fileStorm.Start(ctx, fileStormArg{queue, shared})
			require.NoError(t, err)
		}
		for range rand.IntN(12) {
			f, err := queue.Get(ctx)
			require.NoError(t, err)
			use(f)
		}
		for _, p := range pair {
			require.NoError(t, p.Kill())
			<-p.Done()
		}
	}
	for {
		f, err := queue.TryGet()
		if errors.Is(err, ErrEmpty) {
			break
		}
		require.NoError(t, err)
		use(f)
	}
	giveBack(t, []freer{queue, shared})
	requireEnd(t, r, "")
}

// stopsTheFirst stops the first process, its parent, and finds out what cannot be done
// meanwhile.
var stopsTheFirst = Register("test.stopsTheFirst", func(ctx context.Context, f *File) (int, error) {
	first := os.Getppid()
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		return 0, err
	}
	goOn := func() { _ = syscall.Kill(first, syscall.SIGCONT) }
	defer goOn()
	eventually(panicking{}, func() bool { return stopped(first) }, "a stopped first process")
	for what, use := range map[string]func(ctx context.Context) error{
		"open": func(ctx context.Context) error { _, err := f.Open(ctx); return err },
		"new":  func(ctx context.Context) error { _, err := NewFile(ctx, os.Stdout); return err },
	} {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		err := use(short)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
	}
	opened := begin(func() error {
		o, err := f.Open(ctx)
		return then(err, func() error { return o.Close() })
	})
	goOn()
	return 0, <-opened
})

// outlivesTheFirst opens the File, now and when its parent is dead.
var outlivesTheFirst = Register("test.outlivesTheFirst", func(ctx context.Context, f *File) (int, error) {
	o, err := f.Open(ctx)
	fmt.Println("alive:", err)
	_ = o.Close()
	<-Parent().Done()
	_, err = f.Open(ctx)
	fmt.Println("dead:", errors.Is(err, ErrKeeperDied))
	_, err = NewFile(ctx, os.Stdout)
	fmt.Println("dead:", errors.Is(err, ErrKeeperDied), f.Free())
	return 0, nil
})

func init() {
	addTrial("stoppedFirst", func(t *trial) {
		Init()
		f, err := NewFile(t.ctx, os.Stdout)
		require.NoError(t, err)
		_, err = stopsTheFirst.Run(t.ctx, f)
		require.NoError(t, err)
		require.NoError(t, f.Free())
	})
	scripts["deadFirst"] = func(p *testkit.Peer) {
		Init()
		f, err := NewFile(context.Background(), os.Stdout)
		if err == nil {
			_, err = outlivesTheFirst.Start(context.Background(), f, Detached())
		}
		if err != nil {
			p.Say(err)
		}
		p.Hear()
		killMyself()
	}
	addTrial("crowdedFirst", func(t *trial) {
		Init()
		var limit syscall.Rlimit
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
		there, full := newly(NewEvent()), newly(NewEvent())
		r, f := filePipe(t)
		p, err := crowded.Start(t.ctx, crowdedArg{f, there, full})
		require.NoError(t, err)
		require.NoError(t, there.Wait(t.ctx))
		limit.Cur = 64
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
		var crowd []*os.File
		for {
			o, err := os.Open(os.DevNull)
			if err != nil {
				require.ErrorIs(t, err, syscall.EMFILE)
				break
			}
			crowd = append(crowd, o)
		}
		_, err = f.Open(t.ctx)
		require.ErrorIs(t, err, syscall.EMFILE)
		require.NoError(t, full.Set())
		require.NoError(t, p.Wait(t.ctx))
		for _, o := range crowd {
			require.NoError(t, o.Close())
		}
		got, err := doesFileTask.Run(t.ctx, fileTask{File: f, Text: "there is room again"})
		require.NoError(t, err)
		require.NoError(t, f.Free())
		require.NoError(t, got.File.Free())
		requireEnd(t, r, "there is room again")
	})
}

// crowded makes Files and opens one while the first process has no number left for a
// descriptor.
var crowded = Register("test.crowded", func(ctx context.Context, in crowdedArg) (int, error) {
	if err := in.There.Set(); err != nil {
		return 0, err
	}
	if err := in.Full.Wait(ctx); err != nil {
		return 0, err
	}
	for range 5 {
		_, err := NewFile(ctx, os.Stdout)
		if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "ulimit -n") {
			return 0, fmt.Errorf("new: %w", err)
		}
		o, err := in.File.Open(ctx)
		if err != nil { // to open one takes none of the first process's
			return 0, fmt.Errorf("open: %w", err)
		}
		_ = o.Close()
	}
	return 0, nil
})

type crowdedArg struct {
	File  *File
	There *Event
	Full  *Event
}

// A first process that is stopped is not dead: it is waited for, as long as the context
// allows.
func TestTheFirstProcessIsWaitedForWhileItIsStopped(t *testing.T) { try(t, "stoppedFirst") }

func TestFilesGoWithTheFirstProcess(t *testing.T) {
	c := testkit.Start(t, "deadFirst")
	require.Equal(t, "alive: <nil>", c.Hear())
	c.Say("die")
	require.Equal(t, "dead: true", c.Hear())
	require.Equal(t, "dead: true <nil>", c.Hear())
	require.Error(t, c.Wait())
}

func TestAFirstProcessWithoutDescriptorsSaysSo(t *testing.T) { try(t, "crowdedFirst") }
