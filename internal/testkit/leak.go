// Package testkit is what tests of this module have in common: a check that a
// test leaves nothing behind, and second processes for what processes share.
package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// settle bounds how long the goroutines of a test may take to end after it.
const settle = 5 * time.Second

// LeakCheck fails the test if at its end, after all later Cleanups, this process
// has descriptors, shared mappings, children or goroutines that it does not have
// now. Call it first, but after what is made once for the process.
//
// Descriptors, mappings and children are looked up in /proc, on Linux only.
func LeakCheck(t testing.TB) {
	t.Helper()
	startPoller(t)
	before := takeStock()
	t.Cleanup(func() {
		if t.Failed() {
			return // what went wrong first is what matters
		}
		if left := awaitNothingNew(before); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	})
}

// startPoller makes the Go runtime open the descriptors of its own.
func startPoller(t testing.TB) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	_ = w.Close()
}

// stock is what a process has: things by their names, goroutines with their
// stacks by their numbers. To count goroutines would not do: one that was on its
// way out before the test, as that of the test before, would hide one left behind.
type stock struct {
	things     map[string]int
	goroutines map[string]string
}

func takeStock() stock {
	s := stock{things: make(map[string]int), goroutines: goroutines()}
	for _, list := range []func() []string{descriptors, mappings, children} {
		for _, thing := range list() {
			s.things[thing]++
		}
	}
	return s
}

// since says what is in s and was not in before, "" for nothing.
func (s stock) since(before stock) string {
	var b strings.Builder
	for thing, n := range s.things {
		if extra := n - before.things[thing]; extra > 0 {
			fmt.Fprintf(&b, "%d × %s\n", extra, thing)
		}
	}
	for number, stack := range s.goroutines {
		if _, old := before.goroutines[number]; !old {
			fmt.Fprintf(&b, "goroutine %s %s\n", number, stack)
		}
	}
	return b.String()
}

// awaitNothingNew lets goroutines that are on their way out end, and cleanups of
// collected objects run.
func awaitNothingNew(before stock) string {
	for deadline := time.Now().Add(settle); ; {
		left := takeStock().since(before)
		if left == "" || time.Now().After(deadline) {
			return left
		}
		runtime.GC()
		runtime.Gosched()
	}
}

// goroutines returns the stacks of this process's goroutines by their numbers,
// which the runtime gives out once each.
func goroutines() map[string]string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 2)
	list := make(map[string]string)
	for _, block := range strings.Split(b.String(), "\n\n") {
		// goroutine 35 [chan receive, 2 minutes]:
		number, stack, _ := strings.Cut(strings.TrimPrefix(block, "goroutine "), " ")
		list[number] = stack
	}
	return list
}

func descriptors() []string {
	var list []string
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		// The descriptor that listed the folder is closed by now, and has no target.
		if target, err := os.Readlink(link); err == nil {
			list = append(list, "descriptor of "+target)
		}
	}
	return list
}

func mappings() []string {
	var list []string
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		// 7f12a000-7f12b000 rw-s 00000000 00:01 1035 /memfd:mp (deleted)
		f := strings.Fields(line)
		if len(f) > 5 && strings.HasSuffix(f[1], "s") {
			list = append(list, fmt.Sprintf("mapping of %s, inode %s", f[5], f[4]))
		}
	}
	return list
}

func children() []string {
	var list []string
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range files {
		pids, _ := os.ReadFile(file)
		for _, pid := range strings.Fields(string(pids)) {
			list = append(list, "child "+pid)
		}
	}
	return list
}
