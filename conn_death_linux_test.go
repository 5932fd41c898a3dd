package mp

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A parcelled is a message that is sometimes long, and sometimes brings a handle. It
// is told apart from a torn or mixed one.
type parcelled struct {
	N     int64
	Fill  []byte
	Count *Value[int64]
}

func newParcelled(n int64, count *Value[int64]) parcelled {
	m := parcelled{N: n}
	switch n % 5 {
	case 1:
		m.Fill = make([]byte, 20+n%300)
	case 2:
		m.Fill = make([]byte, 3000+n%3000)
	case 3:
		m.Count = count
	}
	for i := range m.Fill {
		m.Fill[i] = byte(n)
	}
	return m
}

func (m parcelled) requireWhole(t testing.TB, n int64) {
	t.Helper()
	want := newParcelled(n, nil)
	require.Equal(t, n, m.N)
	require.Equal(t, want.Fill, m.Fill)
	require.Equal(t, n%5 == 3, m.Count != nil)
	if m.Count != nil {
		require.NoError(t, m.Count.Free())
	}
}

type streamArg struct {
	End   *Conn[parcelled]
	Count *Value[int64]
}

// streams sends for ever. Count is how many Sends have returned.
var streams = Register("test.streams", func(ctx context.Context, in streamArg) (int, error) {
	for n := int64(0); ; n++ {
		if err := in.End.Send(ctx, newParcelled(n, in.Count)); err != nil {
			return 0, err
		}
		if _, err := Add(in.Count, 1); err != nil {
			return 0, err
		}
	}
})

// The sender is killed amid its messages: what it has sent arrives, in order and
// once, and then the end.
func TestASenderKilledAmidItsMessages(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	random := rand.New(rand.NewPCG(1, 2))
	total := int64(0)
	for range 12 {
		a, b, err := NewPipe[parcelled](WithPipeCapacity(4096))
		require.NoError(t, err)
		count, err := NewValue[int64](0)
		require.NoError(t, err)
		p, err := streams.Start(ctx, streamArg{b, count})
		require.NoError(t, err)
		until := 1 + random.Int64N(500)
		n := int64(0)
		for {
			m, err := a.Recv(ctx)
			if err != nil {
				require.ErrorIs(t, err, ErrPeerDied)
				require.ErrorIs(t, err, io.EOF)
				break
			}
			m.requireWhole(t, n)
			if n++; n == until {
				go func() { _ = p.Kill() }()
			}
		}
		<-p.Done()
		returned := count.Load()
		require.GreaterOrEqual(t, n, returned, "committed messages arrive")
		require.LessOrEqual(t, n, returned+1)
		_, err = a.Recv(ctx)
		require.ErrorIs(t, err, ErrPeerDied, "again")
		require.ErrorIs(t, a.Send(ctx, parcelled{}), ErrPeerDied)
		require.NoError(t, a.Close())
		require.NoError(t, count.Free())
		total += n
	}
	require.Greater(t, total, int64(1000))
}

// swallows receives for ever.
var swallows = Register("test.swallows", func(ctx context.Context, in streamArg) (int, error) {
	for n := int64(0); ; n++ {
		m, err := in.End.Recv(ctx)
		if err != nil {
			return 0, err
		}
		if m.N != n {
			return 0, os.ErrInvalid
		}
		in.Count.Store(n + 1)
	}
})

// The receiver is killed amid the messages: the sender is told, and what was under
// way leaves nothing behind.
func TestAReceiverKilledAmidItsMessages(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	random := rand.New(rand.NewPCG(3, 4))
	total := int64(0)
	for range 8 {
		a, b, err := NewPipe[parcelled](WithPipeCapacity(4096))
		require.NoError(t, err)
		count, err := NewValue[int64](0)
		require.NoError(t, err)
		p, err := swallows.Start(ctx, streamArg{b, count})
		require.NoError(t, err)
		until := 1 + random.Int64N(500)
		for n := int64(0); err == nil; n++ {
			if err = a.Send(ctx, newParcelled(n, count)); n == until {
				go func() { _ = p.Kill() }()
			}
		}
		require.ErrorIs(t, err, ErrPeerDied)
		_, err = a.Recv(ctx)
		require.ErrorIs(t, err, ErrPeerDied)
		<-p.Done()
		total += count.Load()
		require.NoError(t, a.Close())
		require.NoError(t, count.Free())
	}
	require.Greater(t, total, int64(500))
}

// A stopped peer is alive: its messages are waited for, and it misses none.
func TestAStoppedPeerIsWaitedFor(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	a, b := aPair[parcelled](t)
	count, err := NewValue[int64](0)
	require.NoError(t, err)
	defer func() { require.NoError(t, count.Free()) }()
	p, err := swallows.Start(ctx, streamArg{b, count})
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, newParcelled(0, count)))
	eventually(t, func() bool { return count.Load() == 1 }, "a first message")
	require.NoError(t, p.Signal(syscall.SIGSTOP))
	n := int64(1)
	for ; ; n++ { // until there is no room
		short, cancel := context.WithTimeout(ctx, 700*time.Millisecond) // guardians look around in this time
		err := a.Send(short, newParcelled(n, count))
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			break
		}
	}
	_, err = a.TryRecv()
	require.ErrorIs(t, err, ErrEmpty)
	require.NoError(t, p.Signal(syscall.SIGCONT))
	require.NoError(t, a.Send(ctx, newParcelled(n, count)))
	require.NoError(t, a.Close())
	require.ErrorIs(t, p.Wait(ctx), io.EOF)
	require.Equal(t, n+1, count.Load())
}

// The child dies before it opened its end: when it never gets to Init, and when
// nobody has asked it to do anything yet.
func TestAnEndGivenToAChildThatNeverTakesIt(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	a, b := aPair[string](t)
	require.NoError(t, b.Send(ctx, "hello"))
	p, err := echoes.Start(ctx, b, WithEnv(append(os.Environ(), "MP_TEST_DIE_EARLY=1")...))
	require.NoError(t, err)
	s, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", s)
	_, err = a.Recv(ctx)
	require.ErrorIs(t, err, ErrPeerDied)
	require.ErrorIs(t, a.Send(ctx, ""), ErrPeerDied)
	require.Error(t, p.Wait(ctx))
}

// An end goes down with its message.
func TestAnEndInAMessageThatIsLost(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	t.Run("in a queue that is dropped", func(t *testing.T) {
		a, b := aPair[int](t)
		q, err := NewQueue[*Conn[int]](1)
		require.NoError(t, err)
		require.NoError(t, q.Put(ctx, b))
		waiting := begin(func() error { _, err := a.Recv(ctx); return err })
		eventually(t, func() bool { return awaited(a) }, "a sleeper")
		require.NoError(t, q.Free())
		require.ErrorIs(t, hear(t, waiting), ErrPeerDied)
		require.ErrorIs(t, a.Send(ctx, 1), ErrPeerDied)
	})
	t.Run("in a pipe that is closed", func(t *testing.T) {
		a, b := aPair[int](t)
		carrier, other := aPair[*Conn[int]](t)
		require.NoError(t, carrier.Send(ctx, b))
		waiting := begin(func() error { _, err := a.Recv(ctx); return err })
		eventually(t, func() bool { return awaited(a) }, "a sleeper")
		require.NoError(t, other.Close())
		require.ErrorIs(t, hear(t, waiting), ErrPeerDied)
	})
	t.Run("with its carrier, which died", func(t *testing.T) {
		a, b := aPair[int](t)
		p, err := holdsConn.Start(ctx, b)
		require.NoError(t, err)
		v, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, v)
		waiting := begin(func() error { _, err := a.Recv(ctx); return err })
		require.NoError(t, p.Kill())
		require.ErrorIs(t, hear(t, waiting), ErrPeerDied)
		<-p.Done()
	})
}

// holdsConn says that it has its end, and keeps it.
var holdsConn = Register("test.holdsConn", func(ctx context.Context, c *Conn[int]) (int, error) {
	if err := c.Send(ctx, 1); err != nil {
		return 0, err
	}
	_, err := c.Recv(ctx)
	return 0, err
})

type supplyEnds struct {
	Ends *Queue[*Conn[int]]
	Die  bool
}

// makesPipes sends a message through a new pipe, the other end of it to a queue, and
// ends in some way.
var makesPipes = Register("test.makesPipes", func(ctx context.Context, in supplyEnds) (int, error) {
	a, b, err := NewPipe[int]()
	if err != nil {
		return 0, err
	}
	if err := a.Send(ctx, 7); err != nil {
		return 0, err
	}
	if err := in.Ends.Put(ctx, b); err != nil {
		return 0, err
	}
	if in.Die {
		killMyself()
	}
	return 0, a.Close()
})

// The sender of an end dies: the end is with its message, and has what was sent to
// it.
func TestAnEndOutlivesItsSender(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	q, err := NewQueue[*Conn[int]](1)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	for _, die := range []bool{false, true} {
		_, err := makesPipes.Run(ctx, supplyEnds{q, die})
		require.Equal(t, die, err != nil)
		c, err := q.Get(ctx)
		require.NoError(t, err)
		v, err := c.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, 7, v)
		_, err = c.Recv(ctx)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, die, err != io.EOF, "a peer that closed, or died")
		require.NoError(t, c.Close())
	}
}

type forwardArg struct {
	End   *Conn[int]
	Depth int
	Echo  bool
}

// forwards gives its end to a child of its own, which is the last in the line.
var forwards *Func[forwardArg, *Conn[int]]

func init() {
	forwards = Register("test.forwards", func(ctx context.Context, in forwardArg) (*Conn[int], error) {
		if in.Depth > 0 {
			in.Depth--
			return forwards.Run(ctx, in)
		}
		v, err := in.End.Recv(ctx)
		if err != nil {
			return nil, err
		}
		return in.End, in.End.Send(ctx, v+1)
	})
}

func TestAnEndReachesGrandchildrenAndComesBack(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	a, b := aPair[int](t)
	require.NoError(t, a.Send(ctx, 1))
	back, err := forwards.Run(ctx, forwardArg{End: b, Depth: 2})
	require.NoError(t, err)
	v, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, v)
	require.NoError(t, back.Send(ctx, 3))
	v, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, v)
	require.ErrorIs(t, b.Send(ctx, 0), ErrMoved)
	require.NoError(t, back.Close())
	_, err = a.Recv(ctx)
	require.Equal(t, io.EOF, err)
}

func TestAnEndGivenToAPoolIsTheTasks(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	pool := newPool(t, 1)
	a, b := aPair[int](t)
	require.NoError(t, a.Send(ctx, 1))
	f := forwards.Go(ctx, pool, forwardArg{End: b})
	require.ErrorIs(t, b.Send(ctx, 0), ErrMoved, "from the moment that the pool has it")
	back, err := f.Get(ctx)
	require.NoError(t, err)
	v, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, v)
	require.NoError(t, back.Close())

	// Its worker dies with it.
	a, b = aPair[int](t)
	dying := holdsConn.Go(ctx, pool, b)
	_, err = a.Recv(ctx)
	require.NoError(t, err)
	waiting := begin(func() error { _, err := a.Recv(ctx); return err })
	for _, c := range ActiveChildren() {
		require.NoError(t, c.Kill())
	}
	require.ErrorIs(t, hear(t, waiting), ErrPeerDied)
	_, err = dying.Get(ctx)
	require.Error(t, err)

	// It is never begun.
	a, b = aPair[int](t)
	require.NoError(t, pool.Stop())
	_, err = holdsConn.Call(ctx, pool, b)
	require.ErrorIs(t, err, ErrPoolClosed)
	_, err = a.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
}

// The end is tossed between processes that are killed at any moment. Whatever
// happens, its peer is told in the end, and nothing is left.
func TestAnEndAmongProcessesThatDie(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	random := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		a, b, err := NewPipe[int](WithPipeCapacity(256))
		require.NoError(t, err)
		there, err := NewQueue[*Conn[int]](1)
		require.NoError(t, err)
		back, err := NewQueue[*Conn[int]](1)
		require.NoError(t, err)
		var tossers []*Process
		for _, in := range []tossArg{{there, back}, {back, there}} {
			p, err := tosses.Start(ctx, in)
			require.NoError(t, err)
			tossers = append(tossers, p)
		}
		require.NoError(t, there.Put(ctx, b))
		until, killed := random.IntN(400), make(chan struct{})
		for n := 0; ; n++ {
			if err = a.Send(ctx, n); err != nil {
				break
			}
			var v int
			if v, err = a.Recv(ctx); err != nil {
				break
			}
			require.Equal(t, n, v, "each message once and in order, whoever sent it")
			if n == until {
				go func() {
					defer close(killed)
					for i := range tossers { // either may have the end, or a message may
						p := tossers[(n+i)%len(tossers)]
						_ = p.Kill()
						<-p.Done()
					}
					giveBack(t, []freer{there, back})
				}()
			}
		}
		require.ErrorIs(t, err, ErrPeerDied)
		<-killed
		require.NoError(t, a.Close())
	}
}

type tossArg struct{ From, To *Queue[*Conn[int]] }

// tosses sends back the numbers that it gets through an end that comes by, and tosses
// the end on after some.
var tosses = Register("test.tosses", func(ctx context.Context, in tossArg) (int, error) {
	for c, err := range in.From.All(ctx) {
		for range 3 {
			n := 0
			if err == nil {
				n, err = c.Recv(ctx)
			}
			if err == nil {
				err = c.Send(ctx, n)
			}
		}
		if err == nil {
			err = in.To.Put(ctx, c)
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
})
