package connection

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/testkit"
)

type person struct {
	Name string
	Age  int
	Tags []string
}

func arrives[T any](t *testing.T, values ...T) {
	t.Helper()
	ctx := within(t)
	a, b := aPair[T](t)
	sent := make(chan error, 1)
	go func() {
		for _, v := range values {
			if err := a.Send(ctx, v); err != nil {
				sent <- err
				return
			}
		}
		sent <- a.Close()
	}()
	for _, v := range values {
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	_, err := b.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, <-sent)
}

func TestWhatIsSentArrives(t *testing.T) {
	testkit.LeakCheck(t)
	arrives(t, 1, -5, 1<<40)
	arrives(t, "", "one", "zwei")
	arrives(t, []byte{}, []byte("bytes"), make([]byte, 1<<14), make([]byte, 1<<14+1), make([]byte, 16<<20+3))
	arrives(t, person{}, person{"Ada", 36, []string{"a", "b"}})
	arrives(t, map[string][]float64{"x": {1, 2.5}}, nil)
	arrives(t, [3]uint16{1, 2, 3})
}

// The bytes of Python's send_bytes.
func TestFramesAreThoseOfPython(t *testing.T) {
	ctx := within(t)
	raw, c := rawPair[[]byte](t)
	for _, message := range []string{"", "hello", string(make([]byte, 20000))} {
		require.NoError(t, c.Send(ctx, []byte(message)))
		frame := make([]byte, 4+len(message))
		_, err := io.ReadFull(raw, frame)
		require.NoError(t, err)
		require.Equal(t, append([]byte{0, 0, byte(len(message) >> 8), byte(len(message))}, message...), frame)
	}
	require.Equal(t, "7fffffff", hex.EncodeToString(appendHeader(nil, 1<<31-1)))
	require.Equal(t, "ffffffff0000000080000000", hex.EncodeToString(appendHeader(nil, 1<<31)))
	_, err := raw.Write([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c'}) // as of a long one
	require.NoError(t, err)
	got, err := c.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "abc", string(got))
}

func TestAnyNumberOfGoroutinesMaySendAndReceive(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	a, b := aPair[[]byte](t)
	const senders, each = 4, 300
	sent := make(chan error, senders)
	for s := range senders {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				m := bytes.Repeat([]byte{byte(s)}, 2+rand.IntN(100_000))
				m[0] = byte(i)
				err = a.Send(ctx, m)
			}
			sent <- err
		}()
	}
	got := make(chan []byte)
	for range 3 {
		go func() {
			for {
				m, err := b.Recv(ctx)
				if err != nil {
					return
				}
				got <- m
			}
		}()
	}
	var from [senders]int
	for range senders * each {
		m := hear(t, got)
		require.Equal(t, bytes.Repeat(m[1:2], len(m)-1), m[1:], "of one sender")
		from[m[1]]++
	}
	require.Equal(t, [senders]int{each, each, each, each}, from)
	for range senders {
		require.NoError(t, hear(t, sent))
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func hear[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-within(t).Done():
		require.FailNow(t, "still waiting")
		panic("unreachable")
	}
}

func TestCloseSendEndsOneDirection(t *testing.T) {
	ctx := within(t)
	a, b := aPair[int](t)
	require.NoError(t, a.Send(ctx, 1))
	require.NoError(t, a.CloseSend())
	require.ErrorIs(t, a.Send(ctx, 2), mp.ErrClosed)
	n, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = b.Recv(ctx)
	require.Equal(t, io.EOF, err)
	_, err = b.Recv(ctx)
	require.Equal(t, io.EOF, err, "it stays so")
	require.NoError(t, b.Send(ctx, 3))
	n, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestWhatIsClosedSaysSo(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	a, b := aPair[int](t)
	waiting := make(chan error, 2)
	go func() { _, err := a.Recv(ctx); waiting <- err }()
	go func() { waiting <- a.Poll(ctx) }()
	runtime.Gosched()
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-waiting, mp.ErrClosed)
	require.ErrorIs(t, <-waiting, mp.ErrClosed)
	require.ErrorIs(t, a.Send(ctx, 1), mp.ErrClosed)
	_, err := a.Recv(ctx)
	require.ErrorIs(t, err, mp.ErrClosed)
	require.ErrorIs(t, a.Close(), mp.ErrClosed)
	require.True(t, a.Ready())
	require.ErrorIs(t, a.CloseSend(), mp.ErrClosed)

	require.NoError(t, b.Poll(ctx), "the end is something")
	require.True(t, b.Ready())
	_, err = b.Recv(ctx)
	require.Equal(t, io.EOF, err)
	for err == nil || err == io.EOF {
		err = b.Send(ctx, 1)
	}
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// What had come of a message when a reader gave up is not lost.
func TestAReaderThatGivesUpLosesNothing(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	raw, c := rawPair[string](t)
	frame := []byte{0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0, 1, '!'}
	for i := range frame {
		_, err := raw.Write(frame[i : i+1])
		require.NoError(t, err)
		if i == 8 || i == 13 {
			break1, err := c.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, map[int]string{8: "hello", 13: "!"}[i], break1)
			continue
		}
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		_, err = c.Recv(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
}

func TestASenderThatGivesUpBeforeAMessageLosesNothing(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	a, b := aPair[int](t)
	done, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, a.Send(done, 1), context.Canceled)
	require.NoError(t, a.Send(ctx, 2))
	n, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// The peer must not take what follows for the rest.
func TestASenderThatGivesUpWithinAMessageEndsItsDirection(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	a, b := aPair[[]byte](t)
	require.NoError(t, a.Send(ctx, []byte("before")))
	giving, cancel := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() { sent <- a.Send(giving, make([]byte, 64<<20)) }()
	m, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "before", string(m))
	require.NoError(t, b.Poll(ctx), "the long one has begun, and cannot be over: nobody reads it")
	cancel()
	require.ErrorIs(t, <-sent, context.Canceled)
	require.ErrorIs(t, a.Send(ctx, nil), mp.ErrClosed)
	_, err = b.Recv(ctx)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, b.Send(ctx, []byte("the other way")))
	m, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "the other way", string(m))
	_, err = a.Detach(ctx)
	require.ErrorContains(t, err, "cut off")
}

func TestMessagesBeyondTheLimitAreRefused(t *testing.T) {
	ctx := within(t)
	a, b := aPair[[]byte](t, WithoutKey(), WithMessageLimit(100))
	require.ErrorIs(t, a.Send(ctx, make([]byte, 101)), mp.ErrTooLarge)
	require.NoError(t, a.Send(ctx, make([]byte, 100)), "nothing had been sent")
	m, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Len(t, m, 100)

	raw, c := rawPair[[]byte](t)
	_, err = raw.Write([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0})
	require.NoError(t, err)
	_, err = c.Recv(ctx)
	require.ErrorIs(t, err, mp.ErrTooLarge)
	_, err = c.Recv(ctx)
	require.ErrorIs(t, err, mp.ErrTooLarge, "what follows is the middle of a message")
	for err = nil; err == nil; { // and the peer learns that nobody reads it
		_, err = raw.Write(make([]byte, 1<<16))
	}
}

// A length is believed in the measure in which its message comes.
func TestAHostileLengthCostsNoMemory(t *testing.T) {
	ctx := within(t)
	raw, c := rawPair[[]byte](t)
	_, err := raw.Write([]byte{0x3f, 0xff, 0xff, 0xff, 'x'}) // 1 GiB less one byte
	require.NoError(t, err)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = c.Recv(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.LessOrEqual(t, cap(c.in.body), 2*firstRoom)
}

func TestWhatIsNoMessageIsAnError(t *testing.T) {
	ctx := within(t)
	for name, c := range map[string]struct {
		bytes string
		want  error
	}{
		"a negative length":        {"\xff\xff\xff\xfe", ErrProtocol},
		"the most negative length": {"\x80\x00\x00\x00", ErrProtocol},
		"half a header":            {"\x00\x00", io.ErrUnexpectedEOF},
		"a header":                 {"\x00\x00\x00\x03", io.ErrUnexpectedEOF},
		"half a long header":       {"\xff\xff\xff\xff\x00", io.ErrUnexpectedEOF},
		"half a message":           {"\x00\x00\x00\x03ab", io.ErrUnexpectedEOF},
		"nothing":                  {"", io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			raw, conn := rawPair[string](t)
			_, err := raw.Write([]byte(c.bytes))
			require.NoError(t, err)
			require.NoError(t, raw.CloseWrite())
			_, err = conn.Recv(ctx)
			require.ErrorIs(t, err, c.want)
			_, err = conn.Recv(ctx)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestAMessageThatCannotBeDecodedIsReportedOnce(t *testing.T) {
	ctx := within(t)
	raw, c := rawPair[int](t)
	_, err := raw.Write([]byte{0, 0, 0, 1, 0x61, 0, 0, 0, 1, 7})
	require.NoError(t, err)
	_, err = c.Recv(ctx)
	require.ErrorContains(t, err, "malformed")
	n, err := c.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 7, n)
}

func TestTypesThatMeanNothingElsewhereAreRefused(t *testing.T) {
	ctx := within(t)
	_, err := Dial[*mp.Mutex](ctx, "unix", "@nobody", WithoutKey())
	require.ErrorIs(t, err, mp.ErrUnencodable)
	require.ErrorContains(t, err, "another program")
	_, err = Listen[struct{ Q *mp.Queue[int] }](ctx, "unix", "", WithoutKey())
	require.ErrorIs(t, err, mp.ErrUnencodable)
	_, err = Dial[func()](ctx, "unix", "@nobody", WithoutKey())
	require.ErrorIs(t, err, mp.ErrUnencodable)
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'x'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0x80})
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > 1<<16 {
			return // what a socket holds
		}
		raw, c := rawPair[[]byte](t)
		_, err := raw.Write(stream)
		require.NoError(t, err)
		require.NoError(t, raw.Close())
		total := 0
		for err == nil {
			var m []byte
			m, err = c.Recv(t.Context())
			total += len(m)
		}
		require.LessOrEqual(t, total, len(stream))
	})
}
