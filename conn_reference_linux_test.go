package mp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests of connections of CPython's Lib/test/_test_multiprocessing.py, by their
// names there.

// _TestConnection.test_connection: objects and bytes come back, a closed peer is the
// end, poll tells, and not before its time is over that there is nothing.
func TestReferenceConnection(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t)
	p, err := echoes.Start(ctx, b)
	require.NoError(t, err)
	require.False(t, a.Ready())
	requireTimeout(t, a.Poll)
	for _, s := range []string{"latin", "\x00\xff", string(bytes.Repeat([]byte("0123456789"), 16<<20/10))} {
		require.NoError(t, a.Send(ctx, s))
		require.NoError(t, a.Poll(ctx))
		got, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, a.Poll(short), context.Canceled)
	require.NoError(t, a.CloseSend())
	_, err = a.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, p.Wait(ctx))
}

// _TestConnection.test_duplex_false is TestTheOneWayPipe, test_context
// TestAClosedConnIsClosed.

// _TestConnection.test_spawn_close: the parent need not close the child's end, and
// the pipe works.
func TestReferenceSpawnClose(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t)
	p, err := echoes.Start(ctx, b)
	require.NoError(t, err)
	require.ErrorIs(t, b.Close(), ErrMoved, "it went to the child")
	require.NoError(t, a.Send(ctx, "hello"))
	s, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", s)
	require.NoError(t, a.Close())
	require.NoError(t, p.Wait(ctx))
}

// _TestConnection.test_sendbytes: parts of a slice, also empty ones.
func TestReferenceSendBytes(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[[]byte](t)
	msg := []byte("abcdefghijklmnopqrstuvwxyz")
	for _, part := range [][]byte{msg, msg[5:], msg[7:15], msg[26:], msg[26:26], msg[10:10]} {
		require.NoError(t, a.Send(ctx, part))
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, part, got)
	}
}

// _TestConnection.test_connection, recv_bytes_into: into memory that is there, also from
// some place on. A message that is too long for it is no error here: it gets more.
func TestReferenceRecvBytesInto(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[[]int32](t)
	arr := []int32{0, 1, 2, 3}
	for _, offset := range []int{0, 3} {
		buffer := make([]int32, 10)
		require.NoError(t, a.Send(ctx, arr))
		part := buffer[offset:]
		require.NoError(t, b.RecvInto(ctx, &part))
		require.Equal(t, arr, part)
		require.Equal(t, slices.Concat(make([]int32, offset), arr, make([]int32, 6-offset)), buffer)
	}
	long := make([]int32, 1<<20)
	long[len(long)-1] = 7
	buffer := []int32{1, 2, 3}
	part := buffer
	require.NoError(t, a.Send(ctx, long))
	require.NoError(t, b.RecvInto(ctx, &part))
	require.Equal(t, long, part)
	require.Equal(t, []int32{1, 2, 3}, buffer)
}

// _TestPoll.test_empty_string, test_strings, test_boundaries: the bounds of messages
// are kept, and an empty one is one.
func TestReferencePoll(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t)
	all := []string{"hello", "", "", "x", "", "bye"}
	for _, s := range all {
		require.NoError(t, a.Send(ctx, s))
	}
	for _, want := range all {
		require.NoError(t, b.Poll(ctx))
		require.True(t, b.Ready())
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.False(t, b.Ready())
}

// _TestPoll.test_dont_merge: two short messages do not become one.
func TestReferenceDontMerge(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[[]byte](t)
	require.NoError(t, a.Send(ctx, []byte("aa")))
	require.NoError(t, a.Send(ctx, []byte("bb")))
	for _, want := range []string{"aa", "bb"} {
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// TestInvalidHandle.test_invalid_handles: a Conn that nobody made.
func TestReferenceInvalidHandles(t *testing.T) {
	c := new(Conn[int])
	requireAllClosed(t, uses(t.Context(), c))
	require.Error(t, c.UnmarshalCBOR([]byte{0x50}))
	require.Error(t, c.UnmarshalCBOR(append([]byte{cborRef}, make([]byte, 16)...)))
}

// _TestPicklingConnections.test_access: ends of one-way pipes that are sent after the
// process has started keep their direction.
func TestReferenceAccess(t *testing.T) {
	ctx := within(t)
	work, other := aPipe[accessTask](t)
	p, err := accesses.Start(ctx, other)
	require.NoError(t, err)
	r, w, err := NewPipe[string](OneWay())
	require.NoError(t, err)
	require.NoError(t, work.Send(ctx, accessTask{To: w}))
	s, err := r.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "foobar", s)
	_, err = r.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, r.Close())

	r, w, err = NewPipe[string](OneWay())
	require.NoError(t, err)
	require.NoError(t, work.Send(ctx, accessTask{From: r}))
	require.NoError(t, w.Send(ctx, "foobar"))
	answer, err := work.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "foobarfoobar", answer.Text)
	require.NoError(t, work.CloseSend())
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, w.Close())
}

type accessTask struct {
	To   *Conn[string]
	From *Conn[string]
	Text string
}

var accesses = Register("test.accesses", func(ctx context.Context, work *Conn[accessTask]) (int, error) {
	for {
		task, err := work.Recv(ctx)
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		switch {
		case task.To != nil:
			if _, err := task.To.Recv(ctx); !errors.Is(err, ErrOneWay) {
				return 0, fmt.Errorf("receiving from a sending end: %w", err)
			}
			err = errors.Join(task.To.Send(ctx, "foobar"), task.To.Close())
		case task.From != nil:
			if err := task.From.Send(ctx, ""); !errors.Is(err, ErrOneWay) {
				return 0, fmt.Errorf("sending to a receiving end: %w", err)
			}
			var s string
			if s, err = task.From.Recv(ctx); err == nil {
				err = errors.Join(work.Send(ctx, accessTask{Text: s + s}), task.From.Close())
			}
		}
		if err != nil {
			return 0, err
		}
	}
})

// TestWait.test_wait: several processes write at their own pace, and one reads what is
// ready until all are done.
func TestReferenceWait(t *testing.T) {
	ctx := within(t)
	requireEmpty(t)
	const writers, each = 4, 10
	var open []Waitable
	for n := range writers {
		r, w, err := NewPipe[int](OneWay())
		require.NoError(t, err)
		_, err = writesTen.Start(ctx, writerArg{w, n})
		require.NoError(t, err)
		open = append(open, r)
	}
	counts := make([]int, writers)
	for len(open) > 0 {
		ready, err := Wait(ctx, open...)
		require.NoError(t, err)
		for _, o := range ready {
			r := o.(*Conn[int])
			n, err := r.Recv(ctx)
			if err == io.EOF {
				require.NoError(t, r.Close())
				open = remove(open, o)
				continue
			}
			require.NoError(t, err)
			counts[n]++
		}
	}
	require.Equal(t, []int{each, each, each, each}, counts)
}

func remove(all []Waitable, one Waitable) (rest []Waitable) {
	for _, o := range all {
		if o != one {
			rest = append(rest, o)
		}
	}
	return rest
}

type writerArg struct {
	To *Conn[int]
	N  int
}

var writesTen = Register("test.writesTen", func(ctx context.Context, in writerArg) (int, error) {
	for range 10 {
		if err := in.To.Send(ctx, in.N); err != nil {
			return 0, err
		}
	}
	return 0, in.To.Close()
})

// TestWait.test_wait_timeout, test_neg_timeout are
// TestWaitReturnsWhatIsReady and TestWaitForNothingWaitsForTheContext: a context takes
// the place of the timeout, and one that has ended that of a timeout of 0. What Python's
// poll with such a timeout tells, Ready tells without one.
//
// test_wait_socket, test_wait_socket_slow, and the numbers of descriptors in
// test_wait_integer have nothing here that they could be: Wait is for what lies in
// shared memory, and for processes. A net.Conn is waited for by a goroutine that reads
// it.
//
// The Listener and Client of _TestListener, _TestListenerClient and TestInvalidFamily are
// not ported: the processes of a tree have pipes without an address, and strangers have
// package net.

// TestWait.test_wait_integer: a process's end and connections in one wait.
func TestReferenceWaitForAProcess(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t)
	p, err := echoes.Start(ctx, b)
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, "x"))
	ready, err := Wait(ctx, p, a)
	require.NoError(t, err)
	require.Equal(t, []Waitable{a}, ready)
	_, err = a.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Terminate())
	<-p.Done()
	ready, err = Wait(ctx, a, p)
	require.NoError(t, err)
	require.Equal(t, []Waitable{a, p}, ready, "the end of the pipe is one to receive")
}
