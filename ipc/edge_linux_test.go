package ipc

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// The race detector ignores mapped memory, so it reports these tests where an
// operation does not publish its edge. Each case has two goroutines of one process:
// what the first did before its last operation comes before what the second does
// after it has seen that.
func TestOperationsInMappedMemoryOrderGoroutines(t *testing.T) {
	for name, lay := range map[string]func(t *testing.T, y *yard) (publish func() error, observe func(ctx context.Context) error){
		"Cell": func(_ *testing.T, y *yard) (func() error, func(context.Context) error) {
			c, buf := NewCell(y, y.mem, 100), make([]byte, 100)
			return func() error {
					return c.Replace(context.Background(), buf, func() error { buf[99] = 1; return nil })
				}, func(context.Context) error {
					for seen := make([]byte, 100); seen[99] == 0; {
						c.Load(seen)
					}
					return nil
				}
		},
		"Ring, closed before a consumer": func(t *testing.T, y *yard) (func() error, func(context.Context) error) {
			r := mappedRing(t, y)
			return r.Close, func(ctx context.Context) error {
				_, err := r.Get(ctx, nil)
				return unless(ErrClosed, err)
			}
		},
		"Ring, closed before a producer": func(t *testing.T, y *yard) (func() error, func(context.Context) error) {
			r := mappedRing(t, y)
			require.NoError(t, r.TryPut(nil))
			return r.Close, func(ctx context.Context) error { return unless(ErrClosed, r.Put(ctx, nil)) }
		},
		"Ring, found closed": func(t *testing.T, y *yard) (func() error, func(context.Context) error) {
			r := mappedRing(t, y)
			return r.Close, func(context.Context) error {
				for !r.Closed() {
				}
				return nil
			}
		},
		"Stream, closed by its writer": func(t *testing.T, y *yard) (func() error, func(context.Context) error) {
			w, r := mappedStream(t, y)
			return w.Close, func(ctx context.Context) error {
				_, err := r.Get(ctx, nil)
				return unless(io.EOF, err)
			}
		},
		"Stream, closed by its reader": func(t *testing.T, y *yard) (func() error, func(context.Context) error) {
			w, r := mappedStream(t, y)
			for w.TryPut(nil) == nil {
			}
			return r.Close, func(ctx context.Context) error { return unless(io.ErrClosedPipe, w.Put(ctx, nil)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			publish, observe := lay(t, newYard(t, 4096))
			ctx, before := within(t), 0
			first := start(func() error { before++; return publish() })
			second := start(func() error {
				err := observe(ctx)
				before++
				return err
			})
			require.NoError(t, ends(t, second))
			require.NoError(t, ends(t, first))
			require.Equal(t, 2, before)
		})
	}
}

func mappedRing(t *testing.T, y *yard) *Ring {
	require.NoError(t, InitRing(y.mem, 1, 0))
	r, err := OpenRing(y, y.mem)
	require.NoError(t, err)
	return r
}

func mappedStream(t *testing.T, y *yard) (*StreamWriter, *StreamReader) {
	require.NoError(t, InitStream(y.mem, minStream))
	w, err := OpenWriter(y, y.mem)
	require.NoError(t, err)
	r, err := OpenReader(y, y.mem)
	require.NoError(t, err)
	return w, r
}

// unless is nil if err is what it is to be.
func unless(want, err error) error {
	if errors.Is(err, want) {
		return nil
	}
	return err
}
