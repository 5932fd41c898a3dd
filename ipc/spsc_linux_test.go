package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func (s *stage) streamWriter(off int) *StreamWriter {
	w, err := OpenWriter(s, s.props[off:])
	check(err)
	return w
}

func (s *stage) streamReader(off int) *StreamReader {
	r, err := OpenReader(s, s.props[off:])
	check(err)
	return r
}

// playStreamPut puts args[0] records of args[1] bytes, numbered, for ever if 0.
func playStreamPut(s *stage, args []int) {
	w := s.streamWriter(0)
	msgs := numbered(args[1])
	s.awaitCurtain()
	for i := 0; i < args[0] || args[0] == 0; i++ {
		check(w.Put(background, msgs.number(i)))
		if args[0] == 0 {
			s.counters[4].Store(uint64(i + 1))
		}
	}
	check(w.Close())
}

func playStreamGet(s *stage, args []int) {
	r := s.streamReader(0)
	buf := make([]byte, 0, args[1])
	s.awaitCurtain()
	sum, p := uint64(0), pace{}
	for {
		b, err := r.Get(background, buf)
		if err == io.EOF {
			break
		}
		check(err)
		sum += binary.LittleEndian.Uint64(b)
		p.step()
	}
	p.report(s)
	s.counters[3].Add(sum)
}

// playFixedPut and playFixedGet are goroutines with the favour.
func playFixedPut(s *stage, args []int) {
	w := newPusher(s.streamWriter(0), 64)
	msgs := numbered(64)
	s.awaitCurtain()
	for i := range args[0] {
		check(w.push(background, msgs.number(i)))
	}
	w.Withdraw()
	check(w.Close())
}

func playFixedGet(s *stage, args []int) {
	r := newPuller(s.streamReader(0), 64)
	var msg [64]byte
	s.awaitCurtain()
	p := pace{}
	for i := range args[0] {
		check(r.pull(background, msg[:]))
		if n := binary.LittleEndian.Uint64(msg[:]); n != uint64(i) {
			check(fmt.Errorf("message %d is %d", i, n))
		}
		p.step()
	}
	p.report(s)
	s.counters[3].Add(uint64(args[0]))
}

func playStreamEcho(s *stage, args []int) {
	size, err := StreamSize(4096)
	check(err)
	in, out := s.streamReader(0), s.streamWriter(size)
	buf := make([]byte, 0, 64)
	s.awaitCurtain()
	for range args[0] {
		b, err := in.Get(background, buf)
		check(err)
		check(out.Put(background, b))
	}
}

func playStreamPing(s *stage, args []int) {
	size, err := StreamSize(4096)
	check(err)
	out, in := s.streamWriter(0), s.streamReader(size)
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	s.awaitCurtain()
	p := pace{}
	for range args[0] {
		check(out.Put(background, msg))
		_, err := in.Get(background, buf)
		check(err)
		p.step()
	}
	p.report(s)
}

// A writer that is killed amid traffic: all that its Puts returned from is read,
// in order, and then the reader is told.
func TestStreamWriterKilledAmidTraffic(t *testing.T) {
	for i := range 20 {
		s := newStage(t, streamHeader+1024+256)
		initStream(s.props, 1024, 256, -1, -uint64(16*i))
		r := s.streamReader(0)
		w := s.play(t, "streamput", anIncarnation(1, 1), 0, 8+i*3)
		s.raise(t, w)
		n := uint64(0)
		for {
			b, err := r.Get(within(t), nil)
			if err != nil {
				require.ErrorIs(t, err, ErrPeerDied)
				break
			}
			require.Equal(t, n, binary.LittleEndian.Uint64(b))
			if n++; n == uint64(1000*i) {
				go w.kill()
			}
			if i == 0 && n == 1 {
				go w.kill()
			}
		}
		returned := s.counters[4].Load()
		require.GreaterOrEqual(t, n, returned, "records are lost")
		require.LessOrEqual(t, n, returned+1)
	}
}

func TestStreamReaderKilledAmidTraffic(t *testing.T) {
	size, err := StreamSize(1000)
	require.NoError(t, err)
	s := newStage(t, size)
	require.NoError(t, InitStream(s.props, 1000))
	w := s.streamWriter(0)
	r := s.play(t, "streamget", anIncarnation(1, 1), 0, 64)
	s.raise(t, r)
	for i := 0; ; i++ {
		err := w.Put(within(t), make([]byte, 64))
		if err != nil {
			require.True(t, errors.Is(err, ErrPeerDied), err)
			return
		}
		if i == 5000 {
			go r.kill()
		}
	}
}

// The row "Pipe one way" of the targets.
func BenchmarkStreamProcesses(b *testing.B) {
	size, err := StreamSize(1 << 18)
	require.NoError(b, err)
	s := newStage(b, size)
	require.NoError(b, InitStream(s.props, 1<<18))
	w := s.play(b, "streamput", anIncarnation(1, 1), b.N, 64)
	r := s.play(b, "streamget", anIncarnation(2, 1), b.N, 64)
	eventually(b, func() bool { return s.counters[0].Load() == 2 })
	w.pin(0)
	r.pin(1)
	b.ResetTimer()
	s.raise(b, w, r)
	<-w.gone
	<-r.gone
	b.StopTimer()
	require.EqualValues(b, b.N*(b.N-1)/2, s.counters[3].Load())
	b.ReportMetric(float64(s.counters[2].Load())/1000, "ns/msg")
}

// The same for records of one length, by goroutines with the favour.
func BenchmarkFixedStreamProcesses(b *testing.B) {
	size, err := StreamSize(1 << 18)
	require.NoError(b, err)
	s := newStage(b, size)
	require.NoError(b, InitFixedStream(s.props, 1<<18, 64))
	w := s.play(b, "fixedput", anIncarnation(1, 1), b.N)
	r := s.play(b, "fixedget", anIncarnation(2, 1), b.N)
	eventually(b, func() bool { return s.counters[0].Load() == 2 })
	w.pin(0)
	r.pin(1)
	b.ResetTimer()
	s.raise(b, w, r)
	<-w.gone
	<-r.gone
	b.StopTimer()
	require.EqualValues(b, b.N, s.counters[3].Load())
	b.ReportMetric(float64(s.counters[2].Load())/1000, "ns/msg")
}

// The row "Pipe round trip": both sides are awake, the blocking calls are used.
func BenchmarkStreamRoundTrip(b *testing.B) {
	size, err := StreamSize(4096)
	require.NoError(b, err)
	s := newStage(b, 2*size)
	require.NoError(b, InitStream(s.props, 4096))
	require.NoError(b, InitStream(s.props[size:], 4096))
	s.dialogue(b, "streamping", "streamecho")
}
