package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is the program as a user runs it.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wordcount")
	if err != nil {
		log.Fatal(err)
	}
	program = filepath.Join(dir, "wordcount")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		log.Print(err)
	} else if code = m.Run(); code == 0 {
		code = checkNothingRuns()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func checkNothingRuns() int {
	if left := running(); len(left) > 0 {
		log.Printf("still running after the tests: %v", left)
		return 1
	}
	return 0
}

// running lists the processes that run the program. Those that are dead and only not
// waited for do not run.
func running() (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && exe == program {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// An outcome is how a run ended.
type outcome struct {
	stdout, stderr string
	code           int
}

// wordcountOf runs the program to its end.
func wordcountOf(t *testing.T, args ...string) outcome {
	t.Helper()
	return finish(t, exec.Command(program, args...))
}

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	require.Empty(t, running(), "its workers end before the program does")
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// figures reads the last line.
func (o outcome) figures(t *testing.T) map[string]string {
	t.Helper()
	require.Zero(t, o.code, o.stderr)
	lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
	figures := make(map[string]string)
	for _, field := range strings.Fields(lines[len(lines)-1]) {
		key, value, ok := strings.Cut(field, "=")
		require.True(t, ok, field)
		figures[key] = value
	}
	return figures
}

// grepCount is the figure that the program's must equal.
func grepCount(t *testing.T, paths ...string) string {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `LC_ALL=C grep -aohE '[A-Za-z0-9_]+' -r "$@" | wc -l`, "sh"}, paths...)...)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// awkwardTree has everything that is easy to get wrong.
func awkwardTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "plain/a.txt", "the quick brown fox\njumps over the lazy dog\n")
	writeFile(t, dir, "empty", "")
	writeFile(t, dir, "noNewline", "ends in a word")
	writeFile(t, dir, "crlf", "one\r\ntwo\r\n")
	writeFile(t, dir, "binary", "nul\x00nul\xff\xfe\x80w\x00\x00rd\n\x00")
	writeFile(t, dir, "utf8", "na\u00efve caf\u00e9 \u6587 x\n")
	writeFile(t, dir, "name\xffwith\nodd bytes", "odd\n")
	writeFile(t, dir, "large", strings.Repeat("word_across_the_border ", pieceSize/20*3))
	writeFile(t, dir, "long", strings.Repeat("x", 2*readSize+3)+" tail")
	require.NoError(t, os.Symlink("plain", filepath.Join(dir, "linkToDir")))
	require.NoError(t, os.Symlink("large", filepath.Join(dir, "linkToFile")))
	require.NoError(t, os.Symlink(".", filepath.Join(dir, "loop")))
	require.NoError(t, os.Symlink("gone", filepath.Join(dir, "dangling")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	return dir
}

func TestFigureEqualsGreps(t *testing.T) {
	dir := awkwardTree(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, paths := range map[string][]string{
		"a tree":                    {dir},
		"a path given twice":        {dir, dir},
		"overlapping paths":         {at("plain"), at("plain/a.txt"), dir},
		"one file":                  {at("binary")},
		"a file of several pieces":  {at("large")},
		"links on the command line": {at("linkToDir"), at("linkToFile")},
		"a slash at the end":        {dir + "/"},
		"nothing to count":          {at("empty")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, workers := range []string{"1", "3"} {
				o := wordcountOf(t, append([]string{"-verify", "-workers", workers}, paths...)...)
				require.Equal(t, grepCount(t, paths...), o.figures(t)["words"])
				require.Equal(t, "0", o.figures(t)["skipped"])
				require.Empty(t, o.stderr)
			}
		})
	}
}

func TestGoTreeIsCountedWithoutAPath(t *testing.T) {
	if testing.Short() {
		t.Skip("counts some hundred megabytes")
	}
	o := wordcountOf(t, "-verify")
	root, err := goroot()
	require.NoError(t, err)
	require.Equal(t, grepCount(t, filepath.Join(root, "src")), o.figures(t)["words"])
	require.Contains(t, o.stdout, "verified")
}

func TestLastLineHasEveryFigure(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a", "one two two")
	writeFile(t, dir, "b", "two three\n")
	figures := wordcountOf(t, "-workers", "2", dir).figures(t)
	require.Regexp(t, `^\d+\.\d+$`, figures["seconds"])
	delete(figures, "seconds")
	require.Equal(t, map[string]string{
		"files": "2", "bytes": "21", "words": "5", "distinct": "3", "workers": "2", "skipped": "0",
	}, figures)
}

func TestTopAndQuietSayHowMuchIsPrinted(t *testing.T) {
	path := writeFile(t, t.TempDir(), "a", "c b b a a a\n")
	o := wordcountOf(t, "-top", "2", path)
	require.True(t, strings.HasPrefix(o.stdout, "         3  a\n         2  b\nfiles=1 "), o.stdout)
	require.Equal(t, 1, strings.Count(wordcountOf(t, "-top", "0", path).stdout, "\n"))
	require.Equal(t, 1, strings.Count(wordcountOf(t, "-quiet", "-verify", path).stdout, "\n"))
}

func TestWithoutATerminalThereAreNoControlCharacters(t *testing.T) {
	o := wordcountOf(t, "-verify", awkwardTree(t))
	require.Empty(t, o.stderr)
	require.NotRegexp(t, "[\x00-\x09\x0b-\x1f\x7f]", o.stdout)
}

func TestMissingPathIsOneClearLine(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "gone")
	o := wordcountOf(t, dir, gone)
	require.Equal(t, 1, o.code)
	require.Equal(t, fmt.Sprintf("wordcount: stat %s: no such file or directory\n", gone), o.stderr)
	require.Empty(t, o.stdout)
}

func TestBadFlagsAreRefusedWithTheReason(t *testing.T) {
	for reason, args := range map[string][]string{
		"-workers is -1":       {"-workers", "-1"},
		"-top is -2":           {"-top=-2"},
		"not defined: -wrkers": {"-wrkers", "2"},
		`invalid value "some"`: {"-workers", "some"},
	} {
		o := wordcountOf(t, args...)
		require.Equal(t, 2, o.code)
		require.Contains(t, o.stderr, reason)
		require.Empty(t, o.stdout)
	}
	o := wordcountOf(t, "-h")
	require.Zero(t, o.code)
	require.Contains(t, o.stderr, "usage: wordcount")
}

func TestUnreadableFilesAreNamedAndSkipped(t *testing.T) {
	dir := publicDir(t)
	writeFile(t, dir, "fine", "two words\n")
	file := writeFile(t, dir, "secret", "hidden")
	folder := filepath.Dir(writeFile(t, dir, "closed/file", "hidden"))
	large := writeFile(t, dir, "large", "")
	require.NoError(t, os.Truncate(large, 5*pieceSize))
	for _, path := range []string{file, folder, large} {
		require.NoError(t, os.Chmod(path, 0))
	}
	t.Cleanup(func() { os.Chmod(folder, 0o755) })

	o := finish(t, asNobody(t, exec.Command(program, "-verify", dir)))
	figures := o.figures(t)
	require.Equal(t, "2", figures["words"])
	require.Equal(t, "1", figures["files"])
	require.Equal(t, "3", figures["skipped"])
	for _, path := range []string{file, folder, large} {
		require.Equal(t, 1, strings.Count(o.stderr, "open "+path+": permission denied\n"), o.stderr)
	}
}

// publicDir is a folder that everybody may enter, as the program's is then.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir), filepath.Dir(program)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		require.NoError(t, err)
		if info.Mode().Perm()&0o001 == 0 {
			t.Skipf("others may not enter %s", d)
		}
	}
	return dir
}

// asNobody takes the rights away from which no file is safe.
func asNobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

func TestReadErrorInAWorkerIsNamedAndSkipped(t *testing.T) {
	fine := writeFile(t, t.TempDir(), "fine", "two words\n")
	o := wordcountOf(t, fine, "/proc/self/mem") // a regular file whose first bytes cannot be read
	require.Equal(t, "2", o.figures(t)["words"])
	require.Equal(t, "1", o.figures(t)["skipped"])
	require.Contains(t, o.stderr, "wordcount: read /proc/self/mem: input/output error\n")
}

func TestVerifyFailsOnADifference(t *testing.T) {
	o := wordcountOf(t, "-verify", "/proc/sys/kernel/random/uuid") // another one at every reading
	require.Equal(t, 1, o.code)
	require.Contains(t, o.stderr, "counted again")
	require.Contains(t, o.stdout, "words=5 ")
}

func TestKilledWorkersDoNotChangeTheFigure(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large") // words enough for five workers to be killed over
	words := bytes.Repeat([]byte("some words and some more_of them\n"), 1<<20)
	require.NoError(t, os.WriteFile(large, words, 0o600))
	const times = 16 // there must be something to do for all workers at each kill
	args := append([]string{"-workers", "3", "-kill", "5", "-verify"}, slices.Repeat([]string{large}, times)...)
	o := wordcountOf(t, args...)
	require.Zero(t, o.code, o.stderr)
	require.Contains(t, o.stderr, "wordcount: killed 5 workers\n")
	require.Contains(t, o.stdout, "verified")
	require.Equal(t, strconv.Itoa(times*6<<20), o.figures(t)["words"])
	require.Empty(t, running())
}

// endlessFile takes hours to count and no space.
func endlessFile(t *testing.T) string {
	t.Helper()
	path := writeFile(t, t.TempDir(), "endless", "some words\n")
	require.NoError(t, os.Truncate(path, 1<<42))
	return path
}

// These bound what should happen at once; a busy machine may need a part of it.
const (
	patience = 20 * time.Second
	soon     = time.Second
	glance   = time.Millisecond
)

func TestSignalsEndTheProgramAndItsWorkers(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.Command(program, "-workers", "3", endlessFile(t))
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			start(t, cmd, 4)

			sent := time.Now()
			require.NoError(t, cmd.Process.Signal(sig))
			require.Error(t, cmd.Wait())
			t.Logf("ended %v after the signal", time.Since(sent))
			require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
			require.Equal(t, "wordcount: interrupted\n", stderr.String())
			require.Empty(t, stdout.String())
			require.Empty(t, running())
		})
	}
}

// start starts the program and waits until that many processes of it run.
func start(t *testing.T, cmd *exec.Cmd, processes int) {
	t.Helper()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	require.Eventually(t, func() bool { return len(running()) == processes }, patience, glance)
}

func TestWorkersEndWithAKilledParent(t *testing.T) {
	cmd := exec.Command(program, "-workers", "3", endlessFile(t))
	start(t, cmd, 4)
	killed := time.Now()
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return len(running()) == 0 }, soon, glance)
	t.Logf("the workers were gone %v after the kill", time.Since(killed))
}

func TestTerminalShowsProgressAndCtrlCEndsIt(t *testing.T) {
	keyboard, terminal := openTerminal(t)
	cmd := exec.Command(program, "-workers", "2", endlessFile(t))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.Env = append(os.Environ(), "TERM=xterm")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	start(t, cmd, 3)
	terminal.Close()

	watchdog := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	shown := readUntil(t, keyboard, regexp.MustCompile(`\r[01] files  [1-9]\d*\.\d MB  0\.0 M words/s  2 of 2 workers busy\x1b\[K`))
	shown += readUntil(t, keyboard, regexp.MustCompile(`\r[01] files  \d{3,}\.\d MB`)) // the figures rise
	_, err := keyboard.Write([]byte{3})                                                // Ctrl-C, for the whole foreground group
	require.NoError(t, err)
	rest, _ := io.ReadAll(keyboard) // ends with an error when the last one closes the terminal
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), "%q", string(rest))
	require.True(t, strings.HasSuffix(string(rest), "\r\x1b[Kwordcount: interrupted\r\n"), "%q", string(rest))
	require.NotContains(t, shown, "\n", "progress stays on one line")
	require.Empty(t, running())
}

// readUntil reads until a pattern has been shown.
func readUntil(t *testing.T, r io.Reader, pattern *regexp.Regexp) string {
	t.Helper()
	var shown []byte
	buf := make([]byte, 4096)
	for !pattern.Match(shown) {
		n, err := r.Read(buf)
		require.NoError(t, err, "shown until now: %q", shown)
		shown = append(shown, buf[:n]...)
	}
	return string(shown)
}
