package shm_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
)

// rounds is how often each of two processes adds 1 to a counter they share.
const rounds = 100_000

func init() {
	maps.Copy(shm.Scripts, map[string]testkit.Script{
		"segment": func(p *testkit.Peer) { // maps the segment of descriptor 3
			s, err := shm.MapSegment(os.NewFile(3, "segment"))
			if err != nil {
				p.Say(err)
				return
			}
			p.Say(s.Size())
			count(s.Bytes())
			p.Say(s.Close())
		},
		"named": func(p *testkit.Peer) { // opens the segment that it is told of
			n, err := shm.OpenNamed(p.Hear())
			if err != nil {
				p.Say(err)
				return
			}
			p.Say(n.Size())
			count(n.Bytes())
			p.Say("counted")
			p.Hear()
		},
		"no memfd": func(p *testkit.Peer) {
			if err := sys.ForbidSyscalls(syscall.EPERM, sys.SysMemfdCreate); err != nil {
				p.Say(err)
				return
			}
			_, err := shm.NewSegment(4096)
			p.Say(errors.Is(err, fs.ErrPermission), err)
		},
	})
}

func count(b []byte) {
	counter := shm.At[shared.Uint64](b, 0)
	for range rounds {
		counter.Add(1)
	}
}

func newSegment(t *testing.T, size int64) *shm.Segment {
	s, err := shm.NewSegment(size)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestTwoProcessesShareASegment(t *testing.T) {
	testkit.LeakCheck(t)
	s := newSegment(t, 12345)
	require.EqualValues(t, 12345, s.Size())
	require.Len(t, s.Bytes(), 12345)
	c := testkit.Start(t, "segment", s.File())
	require.Equal(t, "12345", c.Hear())
	count(s.Bytes())
	require.Equal(t, "<nil>", c.Hear())
	require.NoError(t, c.Wait())
	require.EqualValues(t, 2*rounds, shm.At[shared.Uint64](s.Bytes(), 0).Load())
}

func TestALargeSegmentTakesNoMemory(t *testing.T) {
	testkit.LeakCheck(t)
	s := newSegment(t, 64<<30)
	b := s.Bytes()
	b[0], b[len(b)-1] = 1, 2
	st, err := s.File().Stat()
	require.NoError(t, err)
	require.LessOrEqual(t, st.Sys().(*syscall.Stat_t).Blocks*512, int64(4<<20))
}

func TestSegmentSizes(t *testing.T) {
	testkit.LeakCheck(t)
	for _, size := range []int64{0, -1, -1 << 63} {
		_, err := shm.NewSegment(size)
		require.ErrorIs(t, err, syscall.EINVAL)
		_, err = shm.CreateNamed("mp-test-size", size)
		require.ErrorIs(t, err, syscall.EINVAL)
	}
	_, err := shm.NewSegment(1 << 62)
	require.Error(t, err, "no machine has addresses for so many")
}

func TestAClosedSegment(t *testing.T) {
	testkit.LeakCheck(t)
	s, err := shm.NewSegment(4096)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Close(), shm.ErrClosed)
	require.Nil(t, s.Bytes())
	require.EqualValues(t, 4096, s.Size())
	_, err = s.File().Stat()
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = shm.MapSegment(s.File())
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestOneOfManyClosesASegment(t *testing.T) {
	testkit.LeakCheck(t)
	s, err := shm.NewSegment(4096)
	require.NoError(t, err)
	var closed atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_ = s.Bytes()
			switch err := s.Close(); {
			case err == nil:
				closed.Add(1)
			case !errors.Is(err, shm.ErrClosed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, closed.Load())
}

func TestMapSegmentTakesOnlySealedMemory(t *testing.T) {
	testkit.LeakCheck(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	require.NoError(t, file.Truncate(4096))
	unsealed, err := sys.Scratch("unsealed")
	require.NoError(t, err)
	require.NoError(t, unsealed.Truncate(4096))
	r, w, err := os.Pipe()
	require.NoError(t, err)
	for _, f := range []*os.File{file, unsealed, r, w} {
		_, err := shm.MapSegment(f)
		require.ErrorIs(t, err, shm.ErrForeign, f.Name())
		require.NoError(t, f.Close(), "after an error it is still the caller's")
	}
}

func TestForbiddenMemfd(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "no memfd")
	answer := c.Hear()
	require.Contains(t, answer, "true shm: segment of 4096 bytes")
	require.Contains(t, answer, "allow the system call memfd_create")
	require.NoError(t, c.Wait())
}
