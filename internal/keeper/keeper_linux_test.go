package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// take reads n bytes of what is kept by the key.
func (s *stand) take(t testing.TB, key Key, n int) string {
	t.Helper()
	d, err := s.Open(t.Context(), key)
	require.NoError(t, err)
	f := d.File("opened")
	defer func() { _ = f.Close() }()
	b := make([]byte, n)
	_, err = io.ReadFull(f, b)
	require.NoError(t, err)
	return string(b)
}

func TestWhatIsKeptCanBeOpenedAgainAndAgain(t *testing.T) {
	s := newKeeper(t)
	require.NoError(t, s.Keep(t.Context(), number(1), text(t, "abcdef")))
	require.NoError(t, s.Keep(t.Context(), number(2), text(t, "123456")))
	require.Equal(t, "ab", s.take(t, number(1), 2))
	require.Equal(t, "123", s.take(t, number(2), 3))
	require.Equal(t, "cdef", s.take(t, number(1), 4), "one offset for all")
	_, err := s.Open(t.Context(), number(3))
	require.ErrorIs(t, err, ErrUnknown)
}

func TestWhatIsOpenedIsClosedOnExec(t *testing.T) {
	s := newKeeper(t)
	require.NoError(t, s.Keep(t.Context(), number(1), text(t, "x")))
	d, err := s.Open(t.Context(), number(1))
	require.NoError(t, err)
	defer d.Close()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", d))
	require.NoError(t, err)
	var pos, flags int
	_, err = fmt.Sscanf(string(info), "pos:\t%d\nflags:\t%o", &pos, &flags)
	require.NoError(t, err)
	require.NotZero(t, flags&syscall.O_CLOEXEC, "%s", info)
}

func TestAKeyIsForOneDescriptorOnly(t *testing.T) {
	s := newKeeper(t)
	require.NoError(t, s.Keep(t.Context(), number(1), text(t, "first")))
	require.ErrorIs(t, s.Keep(t.Context(), number(1), text(t, "later")), ErrUnknown)
	require.Equal(t, "first", s.take(t, number(1), 5))
}

// pipeKept keeps the writing end of a pipe, of which the reader is returned.
func (s *stand) pipeKept(t testing.TB, key Key) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	require.NoError(t, s.Keep(t.Context(), key, w))
	require.NoError(t, w.Close())
	return r
}

func TestWhatIsDroppedIsClosed(t *testing.T) {
	s := newStand(t)
	s.unwanted[number(9)] = true
	s.work(t)
	wanted := s.pipeKept(t, number(1))
	s.Drop(number(1))
	s.Drop(number(2))
	s.Drop(number(9))
	require.ErrorIs(t, s.Keep(t.Context(), number(9), wanted), ErrUnknown, "nobody can ask for it")
	d, err := s.Open(t.Context(), number(1))
	require.NoError(t, err, "one that is wanted is not dropped, whoever says so")
	d.Close()
}

// A drop that finds no room in the socket is not sent again. The keeper sees that there
// were many messages, and looks for itself.
func TestADropForWhichThereWasNoRoomIsMadeUpFor(t *testing.T) {
	s := newStand(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	d, err := sys.Duplicate(w)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	s.kept[number(1)] = d
	for err == nil {
		err = s.socket.TrySend(request{opDrop, number(2)}.bytes())
	}
	require.ErrorIs(t, err, syscall.EAGAIN)
	s.unwanted[number(1)] = true
	s.Drop(number(1)) // lost
	s.work(t)
	_, err = r.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}

func TestAKeeperThatIsStoppedIsWaitedFor(t *testing.T) {
	s := newStand(t)
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error)
	go func() { _, err := s.Open(ctx, number(1)); opened <- err }()
	cancel()
	require.ErrorIs(t, <-opened, context.Canceled)
	_, err := s.Open(ctx, number(1))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Keep(ctx, number(1), text(t, "")), context.Canceled)

	go func() { _, err := s.Open(t.Context(), number(1)); opened <- err }()
	s.work(t)
	require.ErrorIs(t, <-opened, ErrUnknown)
}

func TestWhoFindsNoRoomToAskWaits(t *testing.T) {
	s := newStand(t)
	for s.socket.TrySend(request{opDrop, number(2)}.bytes()) == nil {
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Open(ctx, number(1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	opened := make(chan error)
	go func() { _, err := s.Open(t.Context(), number(1)); opened <- err }()
	s.work(t)
	require.ErrorIs(t, <-opened, ErrUnknown)
}

func TestTheKeepersDeathEndsAllWaits(t *testing.T) {
	s := newStand(t)
	opened := make(chan error)
	for range 3 {
		go func() { _, err := s.Open(t.Context(), number(1)); opened <- err }()
	}
	require.NoError(t, s.inbox.Close())
	for range 3 {
		require.ErrorIs(t, <-opened, ErrDied)
	}
	require.ErrorIs(t, s.Keep(t.Context(), number(1), text(t, "")), ErrDied)
	s.Drop(number(1))
}

func TestAFileThatIsNoneIsNotKept(t *testing.T) {
	s := newKeeper(t)
	f := text(t, "")
	require.NoError(t, f.Close())
	require.ErrorIs(t, s.Keep(t.Context(), number(1), f), os.ErrClosed)
}

// _TestConnection.test_missing_fd_transfer of CPython's tests: a message that should
// bring a descriptor and does not.
func TestARequestWithoutItsDescriptorIsRefused(t *testing.T) {
	s := newKeeper(t)
	_, err := s.ask(t.Context(), request{opKeep, number(1)})
	require.ErrorIs(t, err, ErrRefused)
	_, err = s.Open(t.Context(), number(1))
	require.ErrorIs(t, err, ErrUnknown)
}

// hostile are messages that nobody of this library sends.
func hostile(t testing.TB, s *stand) (messages []hostileMessage) {
	t.Helper()
	f, err := sys.Duplicate(text(t, "x"))
	require.NoError(t, err)
	t.Cleanup(f.Close)
	self := s.socket
	bodies := [][]byte{
		{}, {opKeep}, {opOpen, 1, 2}, bytes.Repeat([]byte{opOpen}, 60_000), append([]byte{'?'}, make([]byte, KeySize)...),
		request{opKeep, number(7)}.bytes(), request{opOpen, number(7)}.bytes(), request{opDrop, number(7)}.bytes(),
		append(request{opOpen, number(7)}.bytes(), 0),
	}
	with := [][]sys.Descriptor{nil, {f}, {f, f}, {f, f, f, f}, {self}, {self, self}, {self, f}, nil}
	for range 253 { // SCM_MAX_FD of the kernel
		with[len(with)-1] = append(with[len(with)-1], f)
	}
	for _, b := range bodies {
		for _, w := range with {
			messages = append(messages, hostileMessage{b, w})
		}
	}
	return messages
}

type hostileMessage struct {
	body    []byte
	carried []sys.Descriptor
}

// Nothing that is sent to a keeper ends it, or stays open in it.
func TestHostileMessagesLeaveNothing(t *testing.T) {
	s := newKeeper(t)
	require.NoError(t, s.Keep(t.Context(), number(1), text(t, "whole")))
	for _, m := range hostile(t, s) {
		for err := error(syscall.EAGAIN); errors.Is(err, syscall.EAGAIN); {
			err = s.socket.TrySend(m.body, m.carried...)
		}
		_, err := s.Open(t.Context(), number(8))
		require.ErrorIs(t, err, ErrUnknown, "it goes on")
	}
	require.Equal(t, "whole", s.take(t, number(1), 5))
}

// Whatever bytes come, with however many descriptors, the keeper goes on.
func FuzzKeeper(f *testing.F) {
	f.Add([]byte{}, byte(0))
	f.Add(request{opKeep, number(1)}.bytes(), byte(2))
	f.Add(request{opOpen, number(1)}.bytes(), byte(1))
	f.Add(request{opDrop, number(1)}.bytes(), byte(9))
	f.Fuzz(func(t *testing.T, body []byte, carried byte) {
		s := newKeeper(t)
		d, err := sys.Duplicate(text(t, "x"))
		require.NoError(t, err)
		defer d.Close()
		with := make([]sys.Descriptor, carried%8)
		for i := range with {
			with[i] = d
		}
		_ = s.socket.TrySend(body, with...)
		got, err := s.Open(t.Context(), number(0xff))
		if err == nil { // body said to keep it
			got.Close()
			return
		}
		require.ErrorIs(t, err, ErrUnknown)
	})
}
