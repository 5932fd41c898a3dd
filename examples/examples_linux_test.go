package examples

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"image/png"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An example is a program as its users run it, and what is particular about it.
type example struct {
	varies   string   // regular expression: what its output has another time
	noisy    bool     // what it prints on standard error is not its own
	long     []string // flags with which it does not end by itself
	begun    string   // what it has printed then, when it is in the middle
	running  int      // or how many of its processes there are
	nonsense []string // flags that make no sense, beside those that none knows
	fails    []string // flags that must fail, or
	lacks    string   // what is wrong with its environment, so that it must
	why      string   // with this message
}

var all = map[string]example{
	"process":  {long: []string{"-step", "1h"}, begun: "rocket: 3", nonsense: []string{"-step", "1"}},
	"identity": {long: []string{"-stay", "1h"}, begun: `my child: process bob \(`, nonsense: []string{"-stay", "x"}},
	"daemon":   {long: []string{"-beats", "1000000000"}, begun: "beat 2", nonsense: []string{"-beats", "0"}},
	"ticket": {
		varies: `\d+ sold`, long: []string{"-tickets", "1000000000"}, running: 5, nonsense: []string{"-buyers", "1"},
		lacks: "TMPDIR=/proc/nowhere", why: "stat /proc/nowhere: no such file or directory",
	},
	"ktv":          {long: []string{"-song", "1h"}, begun: "guest [2-6] sings", nonsense: []string{"-guests", "none"}},
	"trafficlight": {varies: "the light is red|the light is green", long: []string{"-phase", "1h"}, begun: "the light is red", nonsense: []string{"-cars", "-1"}},
	"barrier":      {varies: "^hiker 1 is killed", long: []string{"-huts", "1000000000"}, begun: "all are at hut 2", nonsense: []string{"-huts", "0"}},
	"condition":    {varies: `guest \d`, long: []string{"-meals", "1000000000"}, begun: "guest 1 eats", nonsense: []string{"-meals", "1.5"}},
	"queue":        {long: []string{"-n", "1000000000"}, running: 6, nonsense: []string{"-n", "0"}},
	"joinable":     {varies: "cook [23]", long: []string{"-orders", "1000000000"}, begun: "cook 2", nonsense: []string{"-orders", ""}},
	"pipe":         {long: []string{"-questions", "1000000000"}, begun: "question: 8", nonsense: []string{"-questions", "0"}},
	"value":        {long: []string{"-times", "1000000000000"}, running: 5, nonsense: []string{"-processes", "0"}},
	"pool":         {long: []string{"-last", "1000000000000"}, begun: "Map:", nonsense: []string{"-workers", "some"}, fails: []string{"-workers", "-1"}, why: "mp: a pool of -1 workers.*"},
	"array": {
		varies: `^\d+ processes|/.*`, long: []string{"-radius", "10000", "-workers", "2"}, running: 3, nonsense: []string{"-radius", "-1"},
		fails: []string{"-o", "/proc/nowhere/x.png"}, why: "open /proc/nowhere/x.png: no such file or directory",
	},
	"crash":       {varies: `(addr|pc)=\w+`, noisy: true, long: []string{"-pages", "1000000000000"}, begun: "page 7", nonsense: []string{"-pages", "0"}},
	"pythonshare": {varies: "psm_[0-9a-f]+", long: []string{"-n", "5000000"}, begun: "segment", nonsense: []string{"-n", "0"}},
	"chat":        {long: []string{}, begun: "listening", nonsense: []string{"-port", "1"}, fails: []string{"-addr", "127.0.0.1:65536"}, why: "listen tcp: address 65536: invalid port"},
}

// folder is where the programs are.
var folder string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		log.Fatal(err)
	}
	folder = dir
	args := []string{"build", "-ldflags=-s -w", "-o", dir + "/"}
	for name := range all {
		args = append(args, "./"+name)
	}
	build := exec.Command("go", args...)
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		log.Print(err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// A run is one run of an example, with a folder of its own for temporary files.
type run struct {
	*exec.Cmd
	name           string
	temp           string
	stdout, stderr *bytes.Buffer
}

func command(t *testing.T, name string, args ...string) run {
	t.Helper()
	cmd := exec.Command(filepath.Join(folder, name), args...)
	r := run{cmd, name, t.TempDir(), new(bytes.Buffer), new(bytes.Buffer)}
	cmd.Env = append(os.Environ(), "TMPDIR="+r.temp)
	cmd.Stdout, cmd.Stderr = r.stdout, r.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return r
}

// finish runs it to its end, and returns its exit code.
func (r run) finish(t *testing.T) int {
	t.Helper()
	if err := r.Run(); r.ProcessState == nil {
		require.NoError(t, err)
	}
	r.leavesNothing(t)
	return r.ProcessState.ExitCode()
}

// leavesNothing fails the test if the program has left processes or temporary files.
func (r run) leavesNothing(t *testing.T) {
	t.Helper()
	require.Empty(t, r.processes(), r.stderr)
	files, err := os.ReadDir(r.temp)
	require.NoError(t, err)
	require.Empty(t, files, r.stderr)
}

// processes lists those of the program that run, be they orphans or not.
func (r run) processes() (running []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && exe == r.Path {
			running = append(running, link)
		}
	}
	return running
}

// patience bounds what should happen at once. A glance is at all processes of the system:
// not too often.
const (
	patience = 60 * time.Second
	glance   = 10 * time.Millisecond
)

// begin starts the program, as long as it takes, and returns when it is in the middle of
// its work, with what it has to say from then on.
func (r run) begin(t *testing.T) *bufio.Reader {
	t.Helper()
	r.Stdout = nil
	pipe, err := r.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start())
	watchdog := time.AfterFunc(patience, func() { r.Process.Kill() })
	t.Cleanup(func() {
		watchdog.Stop()
		r.Process.Kill()
	})
	out, e := bufio.NewReader(pipe), all[r.name]
	if e.begun != "" {
		for line, begun := "", regexp.MustCompile("^(?:"+e.begun+")"); !begun.MatchString(line); {
			line, err = out.ReadString('\n')
			require.NoError(t, err, r.stderr)
		}
	}
	require.Eventually(t, func() bool { return len(r.processes()) >= e.running }, patience, glance, r.stderr)
	return out
}

// end reads what the program still says, and returns its exit code.
func (r run) end(t *testing.T, out io.Reader) int {
	t.Helper()
	_, err := io.Copy(io.Discard, out)
	require.NoError(t, err, r.stderr)
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

// each runs a test for all examples.
func each(t *testing.T, test func(t *testing.T, name string, e example)) {
	for name, e := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "pythonshare" {
				needPython(t)
			}
			test(t, name, e)
		})
	}
}

// needPython is for a test that Python's SharedMemory is needed for.
func needPython(t *testing.T) {
	t.Helper()
	if err := exec.Command("python3", "-c", "import multiprocessing.shared_memory").Run(); err != nil {
		t.Skip("no Python with shared memory here:", err)
	}
}

// sample is the output that a program promises in the comment at its top.
func sample(t *testing.T, name string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(name, "main.go"))
	require.NoError(t, err)
	comment, _, _ := strings.Cut(string(source), "\npackage ")
	_, promise, ok := strings.Cut(comment, "//\t$ go run ./examples/"+name)
	require.True(t, ok, "it must show how to run it")
	_, promise, _ = strings.Cut(promise, "\n")
	require.Contains(t, comment, "// Python: ", "it must name the counterpart")
	return strings.ReplaceAll(promise, "//\t", "")
}

const anyPID = `pid (is )?\d+`

// normal is an output without what differs each time: numbers of processes, the order in
// which they come to print, and what the example says.
func normal(output, varies string) []string {
	var lines []string
	pattern := regexp.MustCompile(cmp.Or(varies, anyPID) + "|" + anyPID)
	for line := range strings.Lines(strings.TrimSpace(output)) {
		lines = append(lines, pattern.ReplaceAllString(strings.TrimRight(line, "\n"), "…"))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func TestExamplesPrintWhatTheyPromise(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		if name == "chat" {
			t.Skip("has a test of its own")
		}
		var args []string
		if name == "array" {
			args = []string{"-o", filepath.Join(t.TempDir(), "x.png")}
		}
		r := command(t, name, args...)
		require.Zero(t, r.finish(t), r.stderr)
		require.Equal(t, normal(sample(t, name), e.varies), normal(r.stdout.String(), e.varies))
		if !e.noisy {
			require.Empty(t, r.stderr.String())
		}
		require.NotRegexp(t, "[\x00-\x08\x0b-\x1f\x7f]", r.stdout.String(), "it is no terminal")
	})
}

func TestExamplesRefuseFlagsThatMakeNoSense(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		for _, args := range [][]string{e.nonsense, {"-nonsense"}, {"nonsense"}} {
			r := command(t, name, args...)
			require.Equal(t, 2, r.finish(t), r.stderr)
			first, _, _ := strings.Cut(r.stderr.String(), "\n")
			require.Contains(t, first, strings.TrimLeft(args[0], "-"), "the first line says what is wrong")
			require.Empty(t, r.stdout.String())
		}
		r := command(t, name, "-h")
		require.Zero(t, r.finish(t), r.stderr)
		require.Contains(t, r.stderr.String(), "Usage of ")
	})
}

func TestExamplesSayWhyTheyFail(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		if e.why == "" {
			t.Skip("there is nothing that could be forbidden to it")
		}
		r := command(t, name, e.fails...)
		if e.lacks != "" {
			r.Env = append(r.Env, e.lacks)
		}
		require.Equal(t, 1, r.finish(t), r.stderr)
		require.Regexp(t, "^"+name+": .*"+e.why+"\n$", r.stderr.String())
		require.Empty(t, r.stdout.String())
	})
}

func TestCtrlCEndsExamples(t *testing.T) {
	endedBy(t, func(r run) error { return syscall.Kill(-r.Process.Pid, syscall.SIGINT) }) // as a terminal does, to all processes
}

func TestSIGTERMEndsExamples(t *testing.T) {
	endedBy(t, func(r run) error { return r.Process.Signal(syscall.SIGTERM) })
}

func endedBy(t *testing.T, signal func(r run) error) {
	each(t, func(t *testing.T, name string, e example) {
		r := command(t, name, e.long...)
		out := r.begin(t)
		require.NoError(t, signal(r))
		require.Equal(t, 130, r.end(t, out), r.stderr)
		r.saysInterrupted(t)
		r.leavesNothing(t)
	})
}

func (r run) saysInterrupted(t *testing.T) {
	t.Helper()
	if all[r.name].noisy {
		require.Contains(t, r.stderr.String(), r.name+": interrupted\n")
	} else {
		require.Equal(t, r.name+": interrupted\n", r.stderr.String())
	}
}

func TestExamplesEndWhenNobodyReadsThem(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		var args []string
		if name == "array" {
			args = []string{"-o", filepath.Join(t.TempDir(), "x.png")}
		}
		r := command(t, name, args...)
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		defer writer.Close()
		r.Stdout = writer
		watchdog := time.AfterFunc(patience, func() { syscall.Kill(-r.Process.Pid, syscall.SIGKILL) })
		defer watchdog.Stop()
		require.Contains(t, []int{0, 130}, r.finish(t), r.stderr)
	})
}

func TestProcessesOfAKilledExampleEnd(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		if name == "pythonshare" {
			t.Skip("who is killed cannot take a name away")
		}
		r := command(t, name, e.long...)
		out := r.begin(t)
		require.NoError(t, r.Process.Kill())
		require.Equal(t, -1, r.end(t, out), r.stderr)
		require.Eventually(t, func() bool { return len(r.processes()) == 0 }, patience, glance, r.stderr)
	})
}

func TestTheBlurIsTheSameHoweverManyMakeIt(t *testing.T) {
	var pictures [][]byte
	for _, workers := range []string{"1", "3"} {
		file := filepath.Join(t.TempDir(), "x.png")
		r := command(t, "array", "-o", file, "-workers", workers)
		require.Zero(t, r.finish(t), r.stderr)
		encoded, err := os.ReadFile(file)
		require.NoError(t, err)
		pictures = append(pictures, encoded)
	}
	require.Equal(t, pictures[0], pictures[1])
	picture, err := png.Decode(bytes.NewReader(pictures[0]))
	require.NoError(t, err)
	require.Equal(t, 640, picture.Bounds().Dx())
	gray := func(x, y int) uint32 { v, _, _, _ := picture.At(x, y).RGBA(); return v >> 8 }
	require.EqualValues(t, 0, gray(20, 20))
	require.EqualValues(t, 255, gray(60, 20))
	require.InDelta(t, 127, gray(40, 20), 30, "between black and white")
}

func TestWithoutPythonThereIsNothingToShare(t *testing.T) {
	r := command(t, "pythonshare")
	r.Env = append(r.Env, "PATH=")
	require.Zero(t, r.finish(t), r.stderr)
	require.Regexp(t, "^there is no python3 to share with: ", r.stdout)
}

func TestALimitOfAddressSpaceIsNamed(t *testing.T) {
	r := command(t, "pool")
	r.Args = []string{"sh", "-c", `ulimit -v 40000000 && exec "$0"`, r.Path}
	r.Path = "/bin/sh"
	require.Equal(t, 1, r.finish(t), r.stderr)
	require.Contains(t, r.stderr.String(), "ulimit -v")
	require.Equal(t, 1, strings.Count(r.stderr.String(), "\n"))
}

func TestChat(t *testing.T) {
	r := command(t, "chat")
	r.Stdout = nil
	pipe, err := r.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start())
	watchdog := time.AfterFunc(patience, func() { r.Process.Kill() })
	defer watchdog.Stop()
	server := &peer{t: t, Reader: bufio.NewReader(pipe)}
	addr := strings.TrimPrefix(server.hear(), "listening on ")

	first := dial(t, addr)
	require.Equal(t, "guest 1 comes", first.hear())
	second := dial(t, addr)
	require.Equal(t, "guest 2 comes", first.hear())
	require.Equal(t, "guest 2 comes", second.hear())
	first.say("hello")
	require.Equal(t, "guest 1: hello", second.hear())
	require.Equal(t, "guest 1: hello", first.hear())
	require.Len(t, r.processes(), 3)

	second.say("/crash")
	require.Regexp(t, `^guest 2 goes: .* was killed by signal 9`, first.hear())
	_, err = second.ReadString('\n')
	require.ErrorIs(t, err, io.EOF, "its connection ends with its process")
	third := dial(t, addr)
	require.Equal(t, "guest 3 comes", first.hear(), "and nothing else does")
	require.NoError(t, third.conn.Close())
	require.Equal(t, "guest 3 goes: <nil>", first.hear())

	require.NoError(t, syscall.Kill(-r.Process.Pid, syscall.SIGINT))
	require.Equal(t, 130, r.end(t, server), r.stderr)
	r.leavesNothing(t)
}

// A peer is one that says and hears lines.
type peer struct {
	*bufio.Reader
	t    *testing.T
	conn net.Conn
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &peer{bufio.NewReader(conn), t, conn}
}

func (p *peer) say(line string) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.conn, line)
	require.NoError(p.t, err)
}

func (p *peer) hear() string {
	p.t.Helper()
	line, err := p.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSuffix(line, "\n")
}

// long is how many lines of code a program may have that one reads in one go, without
// comments and blank lines.
const long = 90

func TestExamplesAreShort(t *testing.T) {
	for name := range all {
		lines := 0
		files, err := filepath.Glob(name + "/*.go")
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			lines += len(regexp.MustCompile(`(?m)^[ \t]*[^/ \t\n].*$|^[ \t]*/[^/].*$`).FindAll(source, -1))
		}
		t.Logf("%s: %d lines of code", name, lines)
		require.LessOrEqual(t, lines, long, name)
	}
}

func TestEveryExampleIsHere(t *testing.T) {
	mains, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, main := range mains {
		name := filepath.Dir(main)
		require.Contains(t, string(doc), "\n//	"+name+" ")
		if name != "wordcount" { // which has tests of its own
			require.Contains(t, all, name)
		}
	}
	require.Len(t, all, len(mains)-1)
}
