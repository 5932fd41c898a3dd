package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/result"
)

func newReport(o *options) *result.Report {
	return &result.Report{
		Begun: time.Now(), Commit: commit(), Machine: machine(), Passes: o.passes, Quick: o.quick,
	}
}

// commit is the version of the sources, with a "+" if they were changed since; it is
// empty outside of a repository.
func commit() string {
	cmd := exec.Command("git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+")
	cmd.Dir = sources()
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// machine is what the figures depend on.
func machine() string {
	var name unix.Utsname
	_ = unix.Uname(&name)
	return fmt.Sprintf("%s, %d CPUs, Linux %s, %s %s", processor(), len(cpu.Usable()),
		unix.ByteSliceToString(name.Release[:]), runtime.Version(), runtime.GOARCH)
}

// processor is the name that the first CPU has.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
