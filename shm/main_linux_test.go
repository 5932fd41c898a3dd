package shm

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

// roles are what a child of these tests can be. The test binary plays its own
// children.
var roles = map[string]func(a *Arena, arg string){}

// newcomerRole is that of a child which does not join before it plays.
const newcomerRole = "newcomer"

// worlds are what a child can be put into before it joins the arena.
var worlds = map[string]func(arg string) error{
	"usual": func(string) error { return nil },
}

// Scripts are what a second process can be that has no arena.
var Scripts = map[string]testkit.Script{}

func TestMain(m *testing.M) {
	testkit.Play(Scripts)
	if me, ok := child.Adopt(); ok {
		os.Exit(play(me))
	}
	os.Exit(m.Run())
}

// A part is what a child plays, as its marker says.
type part struct {
	self      Incarnation
	world     string
	role, arg string
}

func (p part) String() string {
	return fmt.Sprintf("%d %s %s %s", uint32(p.self), p.world, p.role, p.arg)
}

func play(me child.Self) int {
	go func() {
		me.Commands(func(byte, uint64) {})
		os.Exit(3) // the test is gone
	}()
	var p part
	if _, err := fmt.Sscanf(me.Marker, "%d %s %s %s", &p.self, &p.world, &p.role, &p.arg); err != nil {
		fmt.Fprintln(os.Stderr, "marker", me.Marker, err)
		return 2
	}
	switch p.role {
	case newcomerRole:
		return tell(newcomer(me.Arena, p.self))
	case wreckerRole:
		return tell(wreck(me.Arena, p.self, p.arg))
	}
	world, arg, _ := strings.Cut(p.world, ":")
	if err := worlds[world](arg); err != nil {
		say(err)
		return 2
	}
	a, err := Attach(me.Arena, p.self)
	if err != nil {
		say(err)
		return 2
	}
	roles[p.role](a, p.arg)
	return 0
}

// tell says an error, if there is one, which is no failure.
func tell(err error) int {
	if err != nil {
		say(err)
	}
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
	return startPart(t, a, part{self, "usual", role, arg})
}

// startPart starts a process in a slot that is reserved for it.
func startPart(t testing.TB, a *Arena, p part) *peer {
	t.Helper()
	outR, outW, err := os.Pipe()
	require.NoError(t, err)
	inR, inW, err := os.Pipe()
	require.NoError(t, err)
	c, err := child.Start(child.Spec{
		Marker: p.String(),
		Title:  t.Name(),
		Arena:  a.File(),
		Door:   a.File(), // nobody uses it
		Stdin:  inR,
		Stdout: outW,
	})
	require.NoError(t, err)
	_ = outW.Close()
	_ = inR.Close()
	q := &peer{Process: c, self: p.self, out: bufio.NewReader(outR), in: inW, done: make(chan child.Exit, 1)}
	go func() {
		exit, _ := c.Wait()
		q.done <- exit
	}()
	t.Cleanup(func() {
		_ = c.Signal(os.Kill)
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
	s, ok := p.next()
	require.True(t, ok, "the peer has ended")
	return s
}

// next is line, or false when the peer has ended.
func (p *peer) next() (string, bool) {
	s, err := p.out.ReadString('\n')
	return strings.TrimSpace(s), err == nil
}

// tell sends a line to the peer; hear is the peer's side of it.
func (p *peer) tell(v ...any) { _, _ = fmt.Fprintln(p.in, v...) }

var stdin = bufio.NewReader(os.Stdin)

func hear() string {
	s, err := stdin.ReadString('\n')
	if err != nil {
		os.Exit(3)
	}
	return strings.TrimSpace(s)
}

// say is the child's side of line.
func say(v ...any) { fmt.Println(v...) }

// kill kills the peer and waits until it is gone; who notices is the test's
// affair.
func (p *peer) kill(t testing.TB) {
	t.Helper()
	require.NoError(t, p.Signal(syscall.SIGKILL))
	p.await()
}

// await waits until the peer is gone.
func (p *peer) await() {
	exit := <-p.done
	p.done <- exit
}

// hexRef is a Ref in a child's argument.
func hexRef(r Ref) string {
	b, _ := r.AppendBinary(nil)
	return fmt.Sprintf("%x", b)
}

// parseRef is the reverse of hexRef.
func parseRef(s string) (r Ref) {
	var b []byte
	_, _ = fmt.Sscanf(s, "%x", &b)
	_ = r.UnmarshalBinary(b)
	return r
}

// hangs is how long a test waits before it calls something a hang.
const hangs = 20 * time.Second

// awaitEpoch sleeps on the death epoch until ready, as every blocked process
// does: a lost announcement hangs the test.
func awaitEpoch(t testing.TB, a *Arena, ready func() bool) {
	t.Helper()
	for {
		seen := a.Epoch().Load()
		if ready() {
			return
		}
		err := futex.Wait([]sys.Futex{{Word: a.Epoch(), Val: seen}}, sys.Monotonic()+int64(hangs))
		require.NoError(t, err, "the death was not announced")
	}
}

// blind makes this process overlook the death of i, as if its guardian had been
// stopped at the wrong moment; see makes it look again.
func blind(a *Arena, i Incarnation) { a.suspects.begin(i) }
func see(a *Arena, i Incarnation)   { a.suspects.end(i) }

// lookNow has all guardians look around, as those do that the kernel wakes.
func lookNow(a *Arena) { futex.WakeAll(&a.head.tableVersion) }

// orphan makes a process one that nobody living is the parent of.
func orphan(t testing.TB, a *Arena, i Incarnation) {
	t.Helper()
	s := &a.slots[i.Slot()]
	require.True(t, s.cas(makeStatus(alive, a.self, i.Generation()), makeStatus(alive, Nobody, i.Generation())))
}

// vacated reports whether the burial is over.
func vacated(a *Arena, i Incarnation) bool {
	st := a.slots[i.Slot()].load()
	return st.gen() != i.Generation() || st.phase() == vacant
}

// requireClean checks that the arena is as empty as a new one, but for this
// process and so many others.
func requireClean(t testing.TB, a *Arena, others int, when ...any) {
	t.Helper()
	require.Empty(t, faults(a, 1+others), when...)
}
