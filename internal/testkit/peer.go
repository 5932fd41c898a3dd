package testkit

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A test binary plays its own second processes:
//
//	func TestMain(m *testing.M) {
//		testkit.Main(m, map[string]testkit.Script{"holder": holder})
//	}
//	func holder(p *testkit.Peer) { … p.Say("locked"); p.Hear() … }
//
//	func TestX(t *testing.T) {
//		c := testkit.Start(t, "holder", file)
//		require.Equal(t, "locked", c.Hear())
//		c.Kill()
//
// The two talk in lines. A child that is still there at the end of its test is
// killed, and one whose parent is gone ends by itself.

// scriptMarker tells a test binary which script it is to play.
const scriptMarker = "MP_TESTKIT_SCRIPT"

// hearLimit ends a test whose other process says nothing.
const hearLimit = 60 * time.Second

// A Script is what a second process does. It exits with status 0 when the script
// returns.
type Script func(p *Peer)

// Main runs the tests, or the script that this process was started for. It does
// not return.
func Main(m *testing.M, scripts map[string]Script) {
	Play(scripts)
	os.Exit(m.Run())
}

// Play runs the script that this process was started for, and does not return;
// in a process that was not, it does nothing. It is for packages with a TestMain
// of their own, which call it there or in an init function of a test file.
func Play(scripts map[string]Script) {
	name, isChild := os.LookupEnv(scriptMarker)
	if !isChild {
		return
	}
	_ = os.Unsetenv(scriptMarker)
	script, ok := scripts[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "testkit: no script %q\n", name)
		os.Exit(2)
	}
	script(newPeer(os.Stdin, os.Stdout, func() { os.Exit(3) }))
	os.Exit(0)
}

// A Peer is the other process, as either of the two sees it.
type Peer struct {
	out   io.Writer
	lines chan string
}

// newPeer calls gone when the other side will say nothing more.
func newPeer(in io.Reader, out io.Writer, gone func()) *Peer {
	p := &Peer{out: out, lines: make(chan string, 1024)}
	go func() {
		for s := bufio.NewScanner(in); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
		gone()
	}()
	return p
}

// Say sends a line. That the other one is gone shows elsewhere.
func (p *Peer) Say(args ...any) {
	_, _ = fmt.Fprintln(p.out, args...)
}

// Hear waits for the next line; it is "" when there will be none.
func (p *Peer) Hear() string {
	select {
	case line := <-p.lines:
		return strings.TrimSpace(line)
	case <-time.After(hearLimit):
		panic("testkit: the other process says nothing")
	}
}

// A Child is a second process.
type Child struct {
	*Peer
	Cmd *exec.Cmd
}

// Start starts this test binary a second time, to play a script of Main. The
// files are the descriptors from 3 on there.
func Start(t testing.TB, script string, files ...*os.File) *Child {
	t.Helper()
	cmd := Command(script)
	cmd.ExtraFiles = files
	return Begin(t, cmd)
}

// Command is what Start starts, for those who want to change something of it
// before they Begin: not its standard input and output, which the two talk
// through.
func Command(script string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), scriptMarker+"="+script, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// Begin starts a Command.
func Begin(t testing.TB, cmd *exec.Cmd) *Child {
	t.Helper()
	out, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Child{Peer: newPeer(in, out, func() {}), Cmd: cmd}
	t.Cleanup(c.Kill)
	return c
}

// PID is the child's.
func (c *Child) PID() int { return c.Cmd.Process.Pid }

// Kill sends SIGKILL and waits for the end, if the child has not been waited for.
func (c *Child) Kill() {
	if c.Cmd.ProcessState == nil {
		_ = c.Cmd.Process.Kill()
		_ = c.Cmd.Wait()
		c.drain()
	}
}

// Wait waits until the child has said its last and exits; an error unless its
// status is 0.
func (c *Child) Wait() error {
	c.drain()
	return c.Cmd.Wait()
}

func (c *Child) drain() {
	for range c.lines {
	}
}

// DieFirst makes this process the one that the kernel kills when memory runs out.
// A script that asks for more than there is calls it before, so that its mistake
// costs nobody else's life. It reports whether that is certain now.
func DieFirst() bool {
	return os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) == nil
}
