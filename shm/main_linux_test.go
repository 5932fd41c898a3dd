package shm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/child"
)

// roles are what a child of these tests can be. The test binary plays its own
// children.
var roles = map[string]func(a *Arena, arg string){}

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
	var self Incarnation
	role, arg := "", ""
	if _, err := fmt.Sscanf(me.Marker, "%d %s %s", &self, &role, &arg); err != nil {
		fmt.Fprintln(os.Stderr, "marker", me.Marker, err)
		return 2
	}
	a, err := Attach(me.Arena, self)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	roles[role](a, arg)
	return 0
}

// A peer is another process of a test's arena.
type peer struct {
	*child.Process
	self Incarnation
	out  *bufio.Reader
	in   *os.File
	done chan child.Exit
}

// start starts a process that plays a role.
func start(t testing.TB, a *Arena, role, arg string) *peer {
	t.Helper()
	self, err := a.Reserve()
	require.NoError(t, err)
	outR, outW, err := os.Pipe()
	require.NoError(t, err)
	inR, inW, err := os.Pipe()
	require.NoError(t, err)
	p, err := child.Start(child.Spec{
		Marker: fmt.Sprintf("%d %s %s", uint32(self), role, arg),
		Title:  t.Name(),
		Arena:  a.File(),
		Stdin:  inR,
		Stdout: outW,
	})
	require.NoError(t, err)
	_ = outW.Close()
	_ = inR.Close()
	q := &peer{Process: p, self: self, out: bufio.NewReader(outR), in: inW, done: make(chan child.Exit, 1)}
	go func() {
		exit, _ := p.Wait()
		q.done <- exit
	}()
	t.Cleanup(func() {
		_ = p.Signal(os.Kill)
		<-q.done
		close(q.done)
		_ = outR.Close()
		_ = inW.Close()
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

// say is the child's side of line.
func say(v ...any) { fmt.Println(v...) }

// kill kills the peer and waits until it is gone; who notices is the test's
// affair.
func (p *peer) kill(t testing.TB) {
	t.Helper()
	require.NoError(t, p.Signal(syscall.SIGKILL))
	exit := <-p.done
	p.done <- exit
}

// parseRef reads what Ref.AppendBinary wrote, in hex.
func hexRef(r Ref) string {
	b, _ := r.AppendBinary(nil)
	return fmt.Sprintf("%x", b)
}

func parseRef(s string) (r Ref) {
	var b []byte
	_, _ = fmt.Sscanf(s, "%x", &b)
	_ = r.UnmarshalBinary(b)
	return r
}

// awaitEpoch sleeps on the death epoch until ready, as every blocked process
// does: a lost announcement hangs the test.
func awaitEpoch(t testing.TB, a *Arena, ready func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	for {
		seen := a.Epoch().Load()
		if ready() {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the death was not announced")
		}
		sleepOn(a.Epoch(), seen)
	}
}
