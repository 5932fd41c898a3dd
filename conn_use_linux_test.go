package mp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// uses are all operations of an end.
func uses(ctx context.Context, c *Conn[int]) map[string]operation {
	return map[string]operation{
		"Send":        func() error { return c.Send(ctx, 1) },
		"TrySend":     func() error { return c.TrySend(1) },
		"Recv":        func() error { _, err := c.Recv(ctx); return err },
		"TryRecv":     func() error { _, err := c.TryRecv(); return err },
		"RecvInto":    func() error { return c.RecvInto(ctx, new(int)) },
		"TryRecvInto": func() error { return c.TryRecvInto(new(int)) },
		"Poll":        func() error { return c.Poll(ctx) },
		"CloseSend":   c.CloseSend,
		"Close":       c.Close,
		"Wait":        func() error { _, err := Wait(ctx, c); return err },
		"MarshalCBOR": func() error { _, err := c.MarshalCBOR(); return err },
		"Start":       func() error { _, err := takesConns.Start(ctx, []*Conn[int]{c}); return err },
	}
}

func TestAClosedConnIsClosed(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t)
	require.NoError(t, a.Close())
	for _, c := range []*Conn[int]{a, new(Conn[int])} {
		requireAllClosed(t, uses(ctx, c))
		require.True(t, c.Ready(), "nothing would wait")
		require.NotEmpty(t, c.String())
	}
	requireUnsendable(t, a, a.MarshalCBOR, takesConns, newPool(t, 1))
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Send(ctx, 1), ErrClosed)
}

func TestAConnThatWasSentAwaySaysSo(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t)
	_, err := takesConns.Run(ctx, []*Conn[int]{b})
	require.NoError(t, err)
	for what, use := range uses(ctx, b) {
		err := use()
		require.ErrorIs(t, err, ErrMoved, what)
		require.ErrorContains(t, err, "sent to another process", what)
	}
	require.Contains(t, b.String(), "sent away")
	require.Contains(t, a.String(), "open")
}

func TestCloseEndsWaiting(t *testing.T) {
	ctx := within(t)
	for name, close := range map[string]func(c *Conn[int]) error{
		"closed":    (*Conn[int]).Close,
		"sent away": func(c *Conn[int]) error { _, err := takesConns.Run(ctx, []*Conn[int]{c}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := aPipe[int](t, WithPipeCapacity(64))
			for b.TrySend(1) == nil {
			}
			var waiting []<-chan error
			for range 3 {
				waiting = append(waiting,
					begin(func() error { _, err := b.Recv(ctx); return err }),
					begin(func() error { return b.Send(ctx, 1) }),
					begin(func() error { return b.Poll(ctx) }))
			}
			eventually(t, func() bool { return awaited(b) }, "a sleeper")
			require.NoError(t, close(b))
			for _, w := range waiting {
				require.ErrorIs(t, hear(t, w), ErrClosed)
			}
			_ = a
		})
	}
}

func TestAFullPipeMakesSendWait(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t, WithPipeCapacity(256))
	n := 0
	for ; ; n++ {
		if err := a.TrySend(n); err != nil {
			require.Equal(t, ErrFull, err)
			break
		}
	}
	require.Equal(t, 256/16, n, "each message takes 8 bytes, rounded up to 16")
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.Send(short, -1), context.DeadlineExceeded)
	require.ErrorIs(t, a.Send(short, -1), context.DeadlineExceeded, "before it looks for room")
	sent := begin(func() error { return a.Send(ctx, n) })
	for want := range n + 1 {
		v, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	require.NoError(t, hear(t, sent))
	require.ErrorIs(t, a.Send(short, -1), context.DeadlineExceeded, "also with room")
	_, err := b.Recv(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, b.Poll(short), context.DeadlineExceeded)
	_, err = b.TryRecv()
	require.Equal(t, ErrEmpty, err)
}

func TestHalfClose(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t)
	require.NoError(t, a.Send(ctx, 1))
	require.NoError(t, a.CloseSend())
	require.ErrorIs(t, a.CloseSend(), ErrClosed)
	require.ErrorIs(t, a.Send(ctx, 2), ErrClosed)
	v, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, v)
	for range 2 {
		_, err = b.Recv(ctx)
		require.Equal(t, io.EOF, err)
	}
	require.NoError(t, b.Poll(ctx), "the end is what there is to receive")
	require.NoError(t, b.Send(ctx, 3))
	v, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, v)

	// The closed direction stays closed in another process.
	require.NoError(t, b.Send(ctx, 4))
	_, err = forwards.Run(ctx, forwardArg{End: a})
	require.ErrorIs(t, err, ErrClosed)
}

func TestTheOneWayPipe(t *testing.T) {
	ctx := within(t)
	r, w := aPipe[string](t, OneWay())
	require.NoError(t, w.Send(ctx, "x"))
	s, err := r.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "x", s)
	require.ErrorIs(t, r.Send(ctx, ""), ErrOneWay)
	require.ErrorIs(t, r.TrySend(""), ErrOneWay)
	require.ErrorIs(t, r.CloseSend(), ErrOneWay)
	_, err = w.Recv(ctx)
	require.ErrorIs(t, err, ErrOneWay)
	_, err = w.TryRecv()
	require.ErrorIs(t, err, ErrOneWay)
	require.ErrorIs(t, w.Poll(ctx), ErrOneWay)
	require.NoError(t, r.Close())
	require.Equal(t, io.ErrClosedPipe, w.Send(ctx, "x"))
	require.ErrorIs(t, w.TrySend("x"), io.ErrClosedPipe)
}

func TestBothEndsClosed(t *testing.T) {
	a, b := aPipe[[]byte](t, WithPipeCapacity(100))
	require.NoError(t, a.Send(t.Context(), make([]byte, 5000)))
	require.NoError(t, b.Send(t.Context(), make([]byte, 5000)))
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.Zero(t, inUse(), "long messages that nobody received, too")
}

func TestPollWaitsForAMessage(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t)
	require.False(t, b.Ready())
	polled := begin(func() error { return b.Poll(ctx) })
	eventually(t, func() bool { return awaited(b) }, "a sleeper")
	require.NoError(t, a.Send(ctx, 5))
	require.NoError(t, hear(t, polled))
	require.True(t, b.Ready())
	v, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 5, v)
	cancelled, cancel := context.WithCancel(ctx)
	polled = begin(func() error { return b.Poll(cancelled) })
	cancel()
	require.ErrorIs(t, hear(t, polled), context.Canceled)
	require.NoError(t, a.Close())
	require.True(t, b.Ready())
	require.NoError(t, b.Poll(ctx))
}

// Goroutines of both processes use the two ends at once.
func TestManyGoroutinesUseAnEnd(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	a, b := aPair[int64](t)
	p, err := addsUp.Start(ctx, b)
	require.NoError(t, err)
	const goroutines, each = 8, 500
	var sent sync.WaitGroup
	for g := range goroutines {
		sent.Go(func() {
			for i := range each {
				assert.NoError(t, a.Send(ctx, int64(g*each+i)))
			}
		})
	}
	var received sync.WaitGroup
	var sum, count atomic.Int64
	for range goroutines {
		received.Go(func() {
			for {
				v, err := a.Recv(ctx)
				if err != nil {
					assert.Equal(t, io.EOF, err)
					return
				}
				sum.Add(v)
				count.Add(1)
			}
		})
	}
	sent.Wait()
	require.NoError(t, a.CloseSend())
	received.Wait()
	require.Equal(t, int64(goroutines*each), count.Load())
	require.Equal(t, int64(goroutines*each)*(goroutines*each-1), sum.Load())
	require.NoError(t, p.Wait(ctx))
}

// addsUp sends back twice of what it gets, from several goroutines.
var addsUp = Register("test.addsUp", func(ctx context.Context, c *Conn[int64]) (int, error) {
	var all sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		all.Go(func() {
			for {
				v, err := c.Recv(ctx)
				if err == nil {
					err = c.Send(ctx, 2*v)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	for range 4 {
		if err := <-errs; err != io.EOF {
			return 0, err
		}
	}
	return 0, c.Close()
})

// What a goroutine did before Send comes before what another does after Recv: the
// race detector would tell.
func TestSendSynchronizesBeforeRecv(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t)
	shared, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.Recv(ctx)
		shared++
		_ = b.Send(ctx, 1)
	}()
	shared++
	require.NoError(t, a.Send(ctx, 1))
	_, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, shared)
	<-done
}

// A picky value cannot be decoded if it is odd, and panics if it is 13.
type picky struct {
	n byte
	_ []string
}

func (p picky) MarshalCBOR() ([]byte, error) {
	if p.n == 255 {
		return nil, errors.New("not this one")
	}
	return []byte{0x41, p.n}, nil
}

func (p *picky) UnmarshalCBOR(b []byte) error {
	switch p.n = b[1]; {
	case p.n == 13:
		panic("thirteen")
	case p.n%2 != 0:
		return errors.New("odd")
	}
	return nil
}

func TestAConnsMessageThatCannotBeDecodedIsReportedOnce(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[picky](t)
	for n := range byte(16) {
		require.NoError(t, a.Send(ctx, picky{n: n}))
	}
	for n := range byte(16) {
		v, err := b.Recv(ctx)
		switch {
		case n == 13:
			require.ErrorContains(t, err, "thirteen")
		case n%2 != 0:
			require.ErrorContains(t, err, "odd")
		default:
			require.NoError(t, err)
			require.Equal(t, n, v.n)
		}
	}
	require.ErrorContains(t, a.Send(ctx, picky{n: 255}), "not this one")
	require.False(t, b.Ready())
}

func TestTheLimitOfMessages(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t, WithMessageLimit(1000), WithPipeCapacity(64))
	require.NoError(t, a.Send(ctx, strings.Repeat("x", 1000)))
	require.ErrorIs(t, a.Send(ctx, strings.Repeat("x", 1001)), ErrTooLarge)
	s, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Len(t, s, 1000)
	_, _, err = NewPipe[[100]byte](WithMessageLimit(99))
	require.ErrorIs(t, err, ErrTooLarge)
	m, n, err := NewPipe[map[string]string](WithMessageLimit(10))
	require.NoError(t, err)
	require.ErrorIs(t, m.Send(ctx, map[string]string{"k": "more than ten bytes"}), ErrTooLarge)
	require.NoError(t, m.Close())
	require.NoError(t, n.Close())
}

func TestPipesOfImpossibleKindsAreRefused(t *testing.T) {
	requireEmpty(t)
	_, _, err := NewPipe[func()]()
	require.ErrorIs(t, err, ErrUnencodable)
	_, _, err = NewPipe[struct{ hidden []int }]()
	require.ErrorIs(t, err, ErrUnencodable)
	for _, n := range []int{0, -1, math.MinInt} {
		_, _, err = NewPipe[int](WithPipeCapacity(n))
		require.Error(t, err)
	}
	_, _, err = NewPipe[int](WithPipeCapacity(math.MaxInt))
	require.ErrorIs(t, err, ErrTooLarge)
	_, _, err = NewPipe[int](WithMessageLimit(-1))
	require.ErrorIs(t, err, ErrTooLarge)
	require.Zero(t, inUse())
}

// A peer that writes anything into the pipe costs an error, and no memory.
func TestAHostilePeer(t *testing.T) {
	ctx := within(t)
	for name, spoil := range map[string]func(mem []byte){
		"length": func(mem []byte) { binary.LittleEndian.PutUint32(mem[640:], math.MaxUint32) },
		"longer": func(mem []byte) { binary.LittleEndian.PutUint32(mem[640:], 17) },
		"kind":   func(mem []byte) { binary.LittleEndian.PutUint32(mem[644:], 1<<31) },
		"tail":   func(mem []byte) { binary.LittleEndian.PutUint64(mem[128:], math.MaxUint64) },
		"parcel": func(mem []byte) { binary.LittleEndian.PutUint32(mem[644:], noteParcel<<8) },
		"tag":    func(mem []byte) { binary.LittleEndian.PutUint32(mem[644:], 77<<8) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := aPipe[string](t, WithPipeCapacity(1024)) // which has one ring
			require.NoError(t, a.Send(ctx, "0123456789abcdef"))
			spoil(b.view.in.mem)
			_, err := b.Recv(ctx)
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
		})
	}
	t.Run("header", func(t *testing.T) {
		a, b := aPipe[string](t)
		mem := a.view.pipe.Bytes()
		for at := 0; at < 24; at += 4 {
			word := binary.LittleEndian.Uint32(mem[at:])
			binary.LittleEndian.PutUint32(mem[at:], 1<<31-1)
			pipe, _, err := openPipe(a.obj.Arena(), a.obj.Kept(), must(a.obj.Payload()), conns[string]{}.typ())
			if at < 16 {
				require.ErrorIs(t, err, shm.ErrDamaged, at)
			} else {
				pipe.Close()
			}
			binary.LittleEndian.PutUint32(mem[at:], word)
		}
		runtime.KeepAlive(b)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestStreamsOfBytes(t *testing.T) {
	requireNoLeak(t)
	a, b := aPair[[]byte](t)
	x, y := NewStream(a), NewStream(b)
	const size = 1 << 20
	sent := begin(func() error {
		n, err := io.Copy(x, &pattern{left: size})
		if n != size {
			return io.ErrShortWrite
		}
		return errors.Join(err, x.CloseWrite())
	})
	got, err := io.ReadAll(y)
	require.NoError(t, err)
	require.NoError(t, hear(t, sent))
	want, _ := io.ReadAll(&pattern{left: size})
	require.Equal(t, want, got)
	n, err := y.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)

	require.NoError(t, x.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = x.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, x.SetReadDeadline(time.Now().Add(time.Hour)))
	read := begin(func() error { _, err := x.Read(make([]byte, 1)); return err })
	require.NoError(t, x.SetReadDeadline(time.Now().Add(time.Millisecond)))
	require.ErrorIs(t, hear(t, read), os.ErrDeadlineExceeded, "one that waits already")
	require.NoError(t, x.SetDeadline(time.Time{}))
	_, err = y.Write([]byte("xy"))
	require.NoError(t, err)
	for _, want := range "xy" {
		one := make([]byte, 1)
		n, err = x.Read(one)
		require.NoError(t, err)
		require.Equal(t, string(want), string(one[:n]))
	}
	require.NoError(t, x.Close())
	_, err = y.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	_, err = y.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// pattern is so many bytes, in pieces of odd lengths.
type pattern struct{ at, left int }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.left, 1+p.at*7%5000)
	for i := range n {
		b[i] = byte((p.at + i) * 31)
	}
	p.at, p.left = p.at+n, p.left-n
	return n, nil
}

// One message as large as nobody sends: it is in memory three times for a moment.
func TestAMessageOfAGiB(t *testing.T) {
	const size = 1 << 30
	if have, ok := sys.MemAvailable(); testing.Short() || race.Enabled || !ok || have < 8*size {
		t.Skip("it takes time and memory")
	}
	ctx := within(t)
	a, b := aPipe[[]byte](t)
	v := make([]byte, size)
	v[0], v[size-1] = 1, 2
	require.NoError(t, a.Send(ctx, v))
	v = nil
	got, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Len(t, got, size)
	require.Equal(t, [2]byte{1, 2}, [2]byte{got[0], got[size-1]})
}

// frames sends so many frames, each with its number in all bytes.
var frames = Register("test.frames", func(ctx context.Context, in framing) (int, error) {
	frame := make([]byte, in.Size)
	for i := range in.Count {
		for j := range frame {
			frame[j] = byte(i)
		}
		if err := in.End.Send(ctx, frame); err != nil {
			return i, err
		}
	}
	return in.Count, in.End.Close()
})

type framing struct {
	End         *Conn[[]byte]
	Count, Size int
}

// Who receives into the same memory again and again needs no more, whether a message lies
// in the pipe or in a block of its own.
func TestReceivingIntoMemoryTakesNoMore(t *testing.T) {
	for _, size := range []int{1000, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { receivesInto(t, size) })
	}
}

func receivesInto(t *testing.T, size int) {
	const count = 100
	ctx := within(t)
	a, b := aPipe[[]byte](t)
	p, err := frames.Start(ctx, framing{b, count, size})
	require.NoError(t, err)
	frame := make([]byte, size)
	memory := &frame[0]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range count {
		require.NoError(t, a.RecvInto(ctx, &frame))
		require.Len(t, frame, size)
		require.Equal(t, size, bytes.Count(frame, []byte{byte(i)}))
		require.Same(t, memory, &frame[0])
	}
	runtime.ReadMemStats(&after)
	if size > 1000 { // the tests take some, too
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(count*size/10))
	}
	require.Equal(t, io.EOF, a.RecvInto(ctx, &frame))
	require.Len(t, frame, size, "as it was")
	require.NoError(t, p.Wait(ctx))
}

// What cannot be received leaves the memory as it was.
func TestNothingIsReceivedInto(t *testing.T) {
	a, b := aPipe[[64]byte](t)
	v := [64]byte{7}
	for range 20 { // until it goes the quick way
		require.Equal(t, ErrEmpty, b.TryRecvInto(&v))
		require.Equal(t, [64]byte{7}, v)
		require.NoError(t, a.TrySend([64]byte{8}))
		require.NoError(t, b.TryRecvInto(&v))
		require.Equal(t, [64]byte{8}, v)
		v = [64]byte{7}
	}
	short, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.RecvInto(short, &v), context.Canceled)
	require.NoError(t, a.Close())
	require.Equal(t, io.EOF, b.RecvInto(t.Context(), &v))
	require.Equal(t, [64]byte{7}, v)
}

// A nil pointer is found out before anybody is kept waiting by it.
func TestReceivingIntoNilHoldsUpNobody(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t)
	require.NoError(t, a.Send(ctx, "kept"))
	require.Panics(t, func() { _ = b.RecvInto(ctx, nil) })
	require.Panics(t, func() { _ = b.TryRecvInto(nil) })
	s, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "kept", s)
}
