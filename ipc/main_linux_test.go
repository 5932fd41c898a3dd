package ipc

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/shm"
)

// A part is what a child of these tests does with the memory it was given. The
// test binary plays its own children.
type part = func(a *shm.Arena, mem []byte, arg string)

var parts = map[string]part{}

func TestMain(m *testing.M) {
	if me, ok := child.Adopt(); ok {
		os.Exit(play(me))
	}
	os.Exit(m.Run())
}

func play(me child.Self) int {
	go func() {
		me.Commands(func(byte, uint64) {})
		os.Exit(3) // the test is gone
	}()
	var self shm.Incarnation
	var name, ref, arg string
	if _, err := fmt.Sscanf(me.Marker, "%d %s %s %s", &self, &name, &ref, &arg); err != nil {
		fmt.Fprintln(os.Stderr, "marker", me.Marker, err)
		return 2
	}
	a, err := shm.Attach(me.Arena, self)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	mem, err := a.Open(parseRef(ref), testKind, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	parts[name](a, mem.Bytes(), arg)
	return 0
}

const testKind = shm.KindUser + 100

// A yard is an arena with one block, in which the processes of a test meet.
type yard struct {
	*shm.Arena
	mem []byte
	ref string
}

func newYard(t testing.TB, size int) *yard {
	t.Helper()
	a, err := shm.Create(16 << 20)
	require.NoError(t, err)
	o, err := a.New(testKind, 0, size)
	require.NoError(t, err)
	ref, err := o.Ref().AppendBinary(nil)
	require.NoError(t, err)
	return &yard{a, o.Bytes(), hex.EncodeToString(ref)}
}

func parseRef(s string) (r shm.Ref) {
	b, _ := hex.DecodeString(s)
	_ = r.UnmarshalBinary(b)
	return r
}

// A peer is another process in a yard.
type peer struct {
	*child.Process
	self shm.Incarnation
	out  *bufio.Reader
	in   *os.File
	done chan struct{}
}

// start starts a process that plays a part.
func (y *yard) start(t testing.TB, name, arg string) *peer {
	t.Helper()
	self, err := y.Reserve()
	require.NoError(t, err)
	outR, outW, err := os.Pipe()
	require.NoError(t, err)
	inR, inW, err := os.Pipe()
	require.NoError(t, err)
	p, err := child.Start(child.Spec{
		Marker: fmt.Sprintf("%d %s %s %s", uint32(self), name, y.ref, arg),
		Title:  t.Name(),
		Arena:  y.File(),
		Door:   y.File(), // nobody uses it
		Stdin:  inR,
		Stdout: outW,
	})
	require.NoError(t, err)
	_, _ = outW.Close(), inR.Close()
	q := &peer{p, self, bufio.NewReader(outR), inW, make(chan struct{})}
	go func() {
		_, _ = p.Wait()
		close(q.done)
	}()
	t.Cleanup(func() {
		q.kill(t)
		_, _ = outR.Close(), inW.Close()
		y.Bury(self)
	})
	return q
}

// line waits for the peer's next line.
func (p *peer) line(t testing.TB) string {
	t.Helper()
	s, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(s)
}

// tell gives the peer a line.
func (p *peer) tell(t testing.TB, v ...any) {
	t.Helper()
	_, err := fmt.Fprintln(p.in, v...)
	require.NoError(t, err)
}

// kill kills the peer and waits until it is gone. That its death is noticed is
// the affair of the guardians.
func (p *peer) kill(t testing.TB) {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// say and hear are the child's sides of line and tell.
func say(v ...any) { fmt.Println(v...) }

func hear() string {
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if n, err := os.Stdin.Read(b); n == 0 || err != nil || b[0] == '\n' {
			return string(line)
		}
	}
}
