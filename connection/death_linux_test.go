package connection

import (
	"context"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// sendsTooMuch sends three messages, and then one that is longer than what fits between
// the two, to whoever listens where it is told.
func sendsTooMuch(p *testkit.Peer) {
	ctx := context.Background()
	c, err := Dial[[]byte](ctx, "unix", p.Hear(), WithoutKey())
	if err != nil {
		panic(err)
	}
	for range 3 {
		if err := c.Send(ctx, []byte("whole")); err != nil {
			panic(err)
		}
	}
	p.Say("sent")
	if p.Hear() == "more" {
		err = c.Send(ctx, make([]byte, 64<<20))
		panic(err)
	}
}

func TestWhatAKilledPeerHadSentIsReceived(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	for _, cut := range []bool{false, true} {
		l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
		child := testkit.Start(t, "sendsTooMuch")
		child.Say(l.Addr())
		c := accepted(t, l)
		require.Equal(t, "sent", child.Hear())
		for range 2 {
			m, err := c.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, "whole", string(m))
		}
		want := io.EOF
		if cut {
			want = io.ErrUnexpectedEOF
			child.Say("more")
			_, err := c.Recv(ctx)
			require.NoError(t, err)
			require.NoError(t, c.Poll(ctx), "it is within the long one, which does not fit")
		}
		child.Kill()
		if !cut {
			m, err := c.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, "whole", string(m))
		}
		_, err := c.Recv(ctx)
		require.ErrorIs(t, err, want)
		err = nil
		for err == nil {
			err = c.Send(ctx, []byte("anybody?"))
		}
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
	}
}

// What the dead had not received does not take from what it had sent.
func TestAKilledPeerMayHaveHadMessages(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
	child := testkit.Start(t, "sendsTooMuch")
	child.Say(l.Addr())
	c := accepted(t, l)
	require.Equal(t, "sent", child.Hear())
	require.NoError(t, c.Send(ctx, []byte("which it never receives")))
	child.Kill()
	for range 3 {
		m, err := c.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "whole", string(m))
	}
	for range 2 {
		_, err := c.Recv(ctx)
		require.Equal(t, io.EOF, err)
	}
	for range 2 {
		require.ErrorIs(t, c.Send(ctx, []byte("anybody?")), io.ErrClosedPipe)
	}
	require.NoError(t, l.Close())
	require.NoError(t, c.Close())
}

func TestASenderWhosePeerIsKilledDoesNotHang(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
	child := testkit.Start(t, "sendsTooMuch")
	child.Say(l.Addr())
	c := accepted(t, l)
	require.Equal(t, "sent", child.Hear())
	sent := make(chan error, 1)
	go func() { sent <- c.Send(ctx, make([]byte, 64<<20)) }()
	child.Kill()
	require.ErrorIs(t, <-sent, io.ErrClosedPipe)
	require.ErrorIs(t, c.Send(ctx, nil), io.ErrClosedPipe, "it stays so")
	require.NoError(t, l.Close())
	require.NoError(t, c.Close())
}

// A stopped process is alive: it is waited for, as long as the caller wants.
func TestAStoppedPeerIsWaitedFor(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
	child := testkit.Start(t, "echoes")
	child.Say(l.Addr())
	c := accepted(t, l)
	stop(t, child)
	require.NoError(t, c.Send(ctx, []byte("hello")))
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	_, err := c.Recv(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, child.Cmd.Process.Signal(syscall.SIGCONT))
	m, err := c.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(m))
	require.NoError(t, l.Close())
	require.NoError(t, c.Close())
}

// stop stops a child, and returns when it is.
func stop(t *testing.T, c *testkit.Child) {
	require.NoError(t, c.Cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.Cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
}

// echoes connects to where it is told, and sends back what it gets.
func echoes(p *testkit.Peer) {
	ctx := context.Background()
	c, err := Dial[[]byte](ctx, "unix", p.Hear(), WithoutKey())
	for err == nil {
		var m []byte
		if m, err = c.Recv(ctx); err == nil {
			err = c.Send(ctx, m)
		}
	}
	if err != io.EOF {
		panic(err)
	}
}

// Kills at any moment: what was received is the beginning of what was sent, message by
// message.
func TestKillsAtAnyMoment(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
	for round := range 30 {
		child := testkit.Start(t, "echoes")
		child.Say(l.Addr())
		c := accepted(t, l)
		sending, cancel := context.WithCancel(ctx)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := 0; c.Send(sending, numbered(i)) == nil; i++ {
			}
		}()
		for i := 0; ; i++ {
			if i == 20*round {
				child.Kill()
			}
			m, err := c.Recv(ctx)
			if err != nil {
				if err != io.EOF {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				}
				require.GreaterOrEqual(t, i, 20*round)
				break
			}
			require.Equal(t, numbered(i), m)
		}
		cancel()
		<-sent
		require.NoError(t, c.Close())
	}
	require.NoError(t, l.Close())
}

// numbered is a message that nobody can take for another.
func numbered(i int) []byte {
	m := make([]byte, 1+i*37%5000)
	for j := range m {
		m[j] = byte(i + j)
	}
	return m
}
