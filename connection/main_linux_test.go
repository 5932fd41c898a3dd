package connection

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Play(scripts)
	mp.Init()
	os.Exit(m.Run())
}

// scripts are what second processes do that are no children of this tree.
var scripts = map[string]testkit.Script{
	"listens":      listens,
	"sendsTooMuch": sendsTooMuch,
	"says":         says,
	"echoes":       echoes,
}

// within is a context that ends when a test hangs.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newKey(t testing.TB) []byte {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	return key
}

// A place is where one can listen.
type place struct{ network, address string }

// places are one of each family.
func places(t *testing.T) map[string]place {
	return map[string]place{
		"path":     {"unix", filepath.Join(t.TempDir(), "socket")},
		"abstract": {"unix", "@mp-test-" + rand.Text()},
		"chosen":   {"unix", ""},
		"tcp":      {"tcp", ""},
		"tcp4":     {"tcp4", "127.0.0.1:0"},
	}
}

func atEachPlace(t *testing.T, test func(t *testing.T, at place)) {
	for name, at := range places(t) {
		t.Run(name, func(t *testing.T) { test(t, at) })
	}
}

func listening[T any](t testing.TB, at place, opts ...Option) *Listener[T] {
	t.Helper()
	l, err := Listen[T](within(t), at.network, at.address, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dialled connects to a Listener.
func dialled[T any](t testing.TB, at net.Addr, opts ...Option) *Conn[T] {
	t.Helper()
	c, err := Dial[T](within(t), at.Network(), at.String(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func accepted[T any](t testing.TB, l *Listener[T]) *Conn[T] {
	t.Helper()
	c, err := l.Accept(within(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// aPair is a connection's two ends.
func aPair[T any](t testing.TB, opts ...Option) (a, b *Conn[T]) {
	t.Helper()
	if len(opts) == 0 {
		opts = []Option{WithoutKey()}
	}
	l := listening[T](t, place{"unix", ""}, opts...)
	a = dialled[T](t, l.Addr(), opts...)
	b = accepted(t, l)
	require.NoError(t, l.Close())
	return a, b
}

// rawPair is a connection whose other end is a bare socket.
func rawPair[T any](t testing.TB) (*net.UnixConn, *Conn[T]) {
	t.Helper()
	l := listening[T](t, place{"unix", ""}, WithoutKey())
	raw, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	return raw.(*net.UnixConn), accepted(t, l)
}
