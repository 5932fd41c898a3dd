package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/testkit"
)

// Python: _TestListener.test_multiple_bind.
func TestNobodyCanListenWhereSomebodyDoes(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		testkit.LeakCheck(t)
		l := listening[int](t, at, WithoutKey())
		_, err := Listen[int](within(t), at.network, l.Addr().String(), WithoutKey())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.NoError(t, l.Close())
	})
}

// Python: _TestListener.test_context.
func TestAClosedListenerSaysSo(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		testkit.LeakCheck(t)
		ctx := within(t)
		l := listening[int](t, at, WithoutKey())
		waiting := make(chan error, 1)
		go func() { _, err := l.Accept(ctx); waiting <- err }()
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-waiting, mp.ErrClosed)
		_, err := l.Accept(ctx)
		require.ErrorIs(t, err, mp.ErrClosed)
		require.ErrorIs(t, l.Close(), mp.ErrClosed)
		_, err = Dial[int](ctx, at.network, l.Addr().String(), WithoutKey())
		require.Error(t, err)
	})
}

func TestAcceptWaitsUntilItsContextEnds(t *testing.T) {
	testkit.LeakCheck(t)
	l := listening[int](t, place{"unix", ""}, WithoutKey())
	ctx, cancel := context.WithTimeout(within(t), time.Millisecond)
	defer cancel()
	_, err := l.Accept(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, l.Close())
}

// Python: _TestListenerClient.test_listener_client, with a process that is none of this
// tree.
func TestAnotherProgramConnectsAndIsAnswered(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		testkit.LeakCheck(t)
		ctx := within(t)
		l := listening[string](t, at, WithKey([]byte(key)))
		child := testkit.Start(t, "says")
		child.Say(l.Addr().Network(), l.Addr().String())
		c := accepted(t, l)
		m, err := c.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", m)
		require.NoError(t, c.Send(ctx, "and good bye"))
		require.Equal(t, "and good bye", child.Hear())
		require.NoError(t, l.Close())
		require.NoError(t, c.Close())
	})
}

const key = "what both know"

// says connects to where it is told, says hello and tells what it is answered.
func says(p *testkit.Peer) {
	var at place
	_, err := fmt.Sscan(p.Hear(), &at.network, &at.address)
	if err != nil {
		panic(err)
	}
	c, err := Dial[string](context.Background(), at.network, at.address, WithKey([]byte(key)))
	if err != nil {
		panic(err)
	}
	if err := c.Send(context.Background(), "hello"); err != nil {
		panic(err)
	}
	answer, err := c.Recv(context.Background())
	p.Say(answer, errText(err))
	p.Hear()
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Python: _TestListenerClient.test_issue14725.
func TestWhatWasSentBeforeAcceptIsReceived(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		testkit.LeakCheck(t)
		ctx := within(t)
		l := listening[string](t, at, WithoutKey())
		c := dialled[string](t, l.Addr(), WithoutKey())
		require.NoError(t, c.Send(ctx, "hello"))
		require.NoError(t, c.Close())
		b := accepted(t, l)
		m, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", m)
		require.NoError(t, b.Close())
		require.NoError(t, l.Close())
	})
}

// Python: _TestListenerClient.test_issue16955.
func TestADiallerSeesWhatTheListenerSent(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		ctx := within(t)
		l := listening[string](t, at, WithoutKey())
		a := dialled[string](t, l.Addr(), WithoutKey())
		b := accepted(t, l)
		require.False(t, a.Ready())
		require.NoError(t, b.Send(ctx, "hello"))
		require.NoError(t, a.Poll(ctx))
		require.True(t, a.Ready())
		m, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", m)
		require.False(t, a.Ready())
	})
}

// Python's accept makes one handshake after the other, and hangs.
func TestPeersThatSayNothingDelayNobody(t *testing.T) {
	testkit.LeakCheck(t)
	key := newKey(t)
	l := listening[int](t, place{"unix", ""}, WithKey(key))
	for range mostArrivals - 1 {
		silent, err := net.Dial("unix", l.Addr().String())
		require.NoError(t, err)
		defer silent.Close()
	}
	dialled[int](t, l.Addr(), WithKey(key))
	accepted(t, l)
	require.NoError(t, l.Close()) // and that does not wait for the silent ones
}

func TestManyDialAtOnce(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	key := newKey(t)
	l := listening[int](t, place{"unix", ""}, WithKey(key))
	const n = 3 * mostArrivals
	sent := make(chan error, n)
	for i := range n {
		go func() {
			c, err := Dial[int](ctx, "unix", l.Addr().String(), WithKey(key))
			if err == nil {
				err = errors.Join(c.Send(ctx, i), c.Close())
			}
			sent <- err
		}()
	}
	seen := make(map[int]bool)
	for range n {
		c := accepted(t, l)
		i, err := c.Recv(ctx)
		require.NoError(t, err)
		require.False(t, seen[i])
		seen[i] = true
		require.NoError(t, c.Close())
	}
	for range n {
		require.NoError(t, <-sent)
	}
	require.NoError(t, l.Close())
}

// A lacking is a listener to which the kernel first says what it lacks.
type lacking struct {
	net.Listener
	times int
}

func (l *lacking) Accept() (net.Conn, error) {
	if l.times--; l.times >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "unix", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptTellsWhatTheSystemLacksAndGoesOn(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	inner, release, err := listenAt(ctx, "unix", "")
	require.NoError(t, err)
	s, p, err := prepare[int]("unix", []Option{WithoutKey()})
	require.NoError(t, err)
	l := newListener(&lacking{inner, 2}, release, s, p)
	for range 2 {
		_, err := l.Accept(ctx)
		require.ErrorIs(t, err, syscall.EMFILE)
	}
	dialled[int](t, l.Addr(), WithoutKey())
	accepted(t, l)
	require.NoError(t, l.Close())
}

// Python's Listener has room for one that waits. A kernel that has none for one more says so
// at once.
func TestDialWaitsWhereThereIsNoRoom(t *testing.T) {
	testkit.LeakCheck(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "socket")
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	file := os.NewFile(uintptr(fd), path)
	l, err := net.FileListener(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	first, err := net.Dial("unix", path)
	require.NoError(t, err)
	_, err = net.Dial("unix", path)
	require.ErrorIs(t, err, syscall.EAGAIN)

	short, cancel := context.WithTimeout(within(t), 5*time.Millisecond)
	defer cancel()
	_, err = Dial[int](short, "unix", path, WithoutKey())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	dialled := make(chan error, 1)
	go func() {
		c, err := Dial[int](within(t), "unix", path, WithoutKey())
		if err == nil {
			err = c.Close()
		}
		dialled <- err
	}()
	for range 2 {
		c, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	require.NoError(t, <-dialled)
	require.NoError(t, first.Close())
	require.NoError(t, l.Close())
}

func TestARejectionMayCloseTheListener(t *testing.T) {
	testkit.LeakCheck(t)
	closed := make(chan error)
	var l *Listener[int]
	made := make(chan struct{})
	l = listening[int](t, place{"unix", ""}, WithKey(newKey(t)), WithRejected(func(net.Addr, error) {
		<-made
		closed <- l.Close()
	}))
	close(made)
	raw, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, raw.Close())
	require.NoError(t, <-closed)
}

// Somebody cleans up, the next one listens there, and the first one must not take its names.
func TestWhoLostItsNamesLeavesThoseOfTheNext(t *testing.T) {
	testkit.LeakCheck(t)
	path := filepath.Join(t.TempDir(), "socket")
	first := listening[int](t, place{"unix", path}, WithoutKey())
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Remove(path+".lock"))
	second := listening[int](t, place{"unix", path}, WithoutKey())
	require.NoError(t, first.Close())
	dialled[int](t, second.Addr(), WithoutKey())
	_, err := Listen[int](within(t), "unix", path, WithoutKey())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, second.Close())
	require.NoFileExists(t, path)
}

func TestAPathIsPrivateAndGoneAfterwards(t *testing.T) {
	testkit.LeakCheck(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	l := listening[int](t, place{"unix", path}, WithoutKey())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, info.Mode())
	require.NoError(t, l.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A kill leaves the path; the kernel has ended the lock.
func TestTheNextListenerTakesAKilledOnesPathOver(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	path := filepath.Join(t.TempDir(), "socket")
	for range 3 {
		child := testkit.Start(t, "listens")
		child.Say(path)
		require.Equal(t, "listening", child.Hear())
		_, err := Listen[int](ctx, "unix", path, WithoutKey())
		require.ErrorIs(t, err, syscall.EADDRINUSE, "it lives")
		stop(t, child)
		_, err = Listen[int](ctx, "unix", path, WithoutKey())
		require.ErrorIs(t, err, syscall.EADDRINUSE, "a stopped process is alive")
		child.Kill()
		require.FileExists(t, path)
	}
	l := listening[int](t, place{"unix", path}, WithoutKey())
	dialled[int](t, l.Addr(), WithoutKey())
	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
}

func listens(p *testkit.Peer) {
	if _, err := Listen[int](context.Background(), "unix", p.Hear(), WithoutKey()); err != nil {
		panic(err)
	}
	p.Say("listening")
	p.Hear()
}

// Those that are killed between two steps of listenAtPath leave one of these.
func TestWhateverAKilledListenerLeftIsTakenOver(t *testing.T) {
	testkit.LeakCheck(t)
	for name, leave := range map[string]func(t *testing.T, path string){
		"a lock": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".lock", nil, 0o600))
		},
		"a path": func(t *testing.T, path string) { abandon(t, path) },
		"both": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".lock", nil, 0o600))
			abandon(t, path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "socket")
			leave(t, path)
			l := listening[int](t, place{"unix", path}, WithoutKey())
			require.NoError(t, l.Close())
		})
	}
}

// abandon leaves a socket at a path at which nobody listens.
func abandon(t *testing.T, path string) {
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
}

func TestWhatIsNotAbandonedStays(t *testing.T) {
	testkit.LeakCheck(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	_, err := Listen[int](within(t), "unix", file, WithoutKey())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.FileExists(t, file)
	require.NoFileExists(t, file+".lock")

	other := filepath.Join(dir, "other") // of a program that knows no lock
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: other}))
	_, err = Listen[int](within(t), "unix", other, WithoutKey())
	require.ErrorIs(t, err, syscall.EADDRINUSE, "it is about to listen")
	require.NoError(t, syscall.Listen(fd, 1))
	_, err = Listen[int](within(t), "unix", other, WithoutKey())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, syscall.SetNonblock(fd, true))
	_, _, err = syscall.Accept(fd)
	require.ErrorIs(t, err, syscall.EAGAIN, "it notices nothing")

	require.NoError(t, os.Symlink(filepath.Join(dir, "far"), filepath.Join(dir, "link.lock")))
	_, err = Listen[int](within(t), "unix", filepath.Join(dir, "link"), WithoutKey())
	require.ErrorIs(t, err, syscall.ELOOP)
	require.NoFileExists(t, filepath.Join(dir, "far"))

	_, err = Listen[int](within(t), "unix", filepath.Join(dir, "none", "socket"), WithoutKey())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Of many that want a path at once one has it.
func TestOneOfManyListens(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	path := filepath.Join(t.TempDir(), "socket")
	for range 50 {
		const n = 8
		type result struct {
			l   *Listener[int]
			err error
		}
		results := make(chan result, n)
		for range n {
			go func() {
				l, err := Listen[int](ctx, "unix", path, WithoutKey())
				results <- result{l, err}
			}()
		}
		var have *Listener[int]
		for range n {
			r := <-results
			if r.err == nil {
				require.Nil(t, have, "two listen at one path")
				have = r.l
				continue
			}
			require.ErrorIs(t, r.err, syscall.EADDRINUSE)
		}
		require.NotNil(t, have)
		require.NoError(t, have.Close())
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	ctx := within(t)
	for want, opts := range map[string][]Option{
		"WithoutKey if everybody":       nil,
		"both WithKey and WithoutKey":   {WithKey([]byte("k")), WithoutKey()},
		"an empty key":                  {WithKey(nil)},
		"WithMessageLimit(0)":           {WithoutKey(), WithMessageLimit(0)},
		"WithRejected without":          {WithoutKey(), WithRejected(nil)},
		"WithMessageLimit(-1); it must": {WithoutKey(), WithMessageLimit(-1)},
	} {
		_, err := Listen[int](ctx, "unix", "", opts...)
		require.ErrorContains(t, err, want)
		_, err = Dial[int](ctx, "unix", "@nobody", opts...)
		require.ErrorContains(t, err, want)
	}
	for _, network := range []string{"", "udp", "unixgram", "unixpacket", "ip"} {
		_, err := Listen[int](ctx, network, "", WithoutKey())
		require.ErrorContains(t, err, "it must be unix, tcp")
		_, err = Dial[int](ctx, network, "x", WithoutKey())
		require.ErrorContains(t, err, "it must be unix, tcp")
	}
	_, err := Dial[int](ctx, "unix", "@mp-nobody", WithoutKey())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
