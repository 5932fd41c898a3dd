package sys

import (
	"bytes"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cgroups are the control groups of this process that may limit it: its own
// ones and all those above. What is absent or unreadable limits nothing.
type cgroups struct {
	mount string // where the trees are

	// own are this process's groups as /proc/self/cgroup tells them, in lines like
	//
	//	0::/user.slice/user-0.slice           version 2
	//	4:cpu,cpuacct:/docker/0123456789abc   version 1
	own string
}

// findCgroups looks below root, which is "/" but in tests.
func findCgroups(root string) cgroups {
	own, _ := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	return cgroups{mount: path.Join(root, "sys/fs/cgroup"), own: string(own)}
}

// dirs are the folders of a version 2 tree (controller ""), or of the version 1
// tree of a controller, innermost first.
func (c cgroups) dirs(controller string) []string {
	group, ok := c.group(controller)
	if !ok {
		return nil
	}
	tree := path.Join(c.mount, controller)
	dirs := []string{path.Join(tree, group)}
	for group != "/" {
		group = path.Dir(group)
		dirs = append(dirs, path.Join(tree, group))
	}
	return dirs
}

func (c cgroups) group(controller string) (string, bool) {
	for line := range strings.Lines(c.own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			return path.Clean("/" + f[2]), true
		}
	}
	return "", false
}

// memory is how many bytes the groups leave to this process; false without limit.
func (c cgroups) memory() (int64, bool) {
	left := int64(math.MaxInt64)
	for _, dir := range c.dirs("") {
		left = min(left, headroom(dir, "memory.max", "memory.current", "inactive_file"))
	}
	for _, dir := range c.dirs("memory") {
		left = min(left, headroom(dir, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
	}
	// Version 1 says "no limit" as the largest number of pages.
	return left, left < math.MaxInt64/2
}

// headroom is what one group leaves. Its usage counts the file cache, too, which
// the kernel gives up before it refuses memory.
func headroom(dir, limitFile, usageFile, cache string) int64 {
	limit, ok := number(dir, limitFile)
	used, okUsed := number(dir, usageFile)
	if !ok || !okUsed {
		return math.MaxInt64
	}
	return max(0, limit-max(0, used-stat(dir, "memory.stat", cache)))
}

// cpus is the number of CPUs whose time the groups let this process use; false
// without limit.
func (c cgroups) cpus() (float64, bool) {
	least := math.Inf(1)
	for _, dir := range c.dirs("") {
		least = min(least, quotaV2(dir))
	}
	for _, dir := range c.dirs("cpu") {
		least = min(least, quotaV1(dir))
	}
	return least, !math.IsInf(least, 1)
}

// cpuset is the number of CPUs that the groups allow; false if none says so.
func (c cgroups) cpuset() (int, bool) {
	for _, set := range []struct{ controller, file string }{
		{"", "cpuset.cpus.effective"}, {"cpuset", "cpuset.effective_cpus"},
	} {
		for _, dir := range c.dirs(set.controller) {
			text, err := os.ReadFile(path.Join(dir, set.file))
			if n, ok := cpuList(string(text)); err == nil && ok {
				return n, true // the innermost that says so allows no more than those above
			}
		}
	}
	return 0, false
}

// quotaV2 reads "max 100000" or "150000 100000": microseconds in a period of so many.
func quotaV2(dir string) float64 {
	text, err := os.ReadFile(path.Join(dir, "cpu.max"))
	f := strings.Fields(string(text))
	if err != nil || len(f) != 2 {
		return math.Inf(1)
	}
	return share(f[0], f[1])
}

func quotaV1(dir string) float64 {
	quota, err1 := os.ReadFile(path.Join(dir, "cpu.cfs_quota_us"))
	period, err2 := os.ReadFile(path.Join(dir, "cpu.cfs_period_us"))
	if err1 != nil || err2 != nil {
		return math.Inf(1)
	}
	return share(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

// share is quota÷period; what is no positive number ("max", -1) is no limit.
func share(quota, period string) float64 {
	q, err1 := strconv.ParseInt(quota, 10, 64)
	p, err2 := strconv.ParseInt(period, 10, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return float64(q) / float64(p)
}

// number is a file's only number; false for "max" and for no file.
func number(dir, name string) (int64, bool) {
	text, err := os.ReadFile(path.Join(dir, name))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n, err == nil && n >= 0
}

// oomKills is how many processes of this process's group were killed for want of
// memory; false if no group counts them.
func (c cgroups) oomKills() (int64, bool) {
	for _, count := range []struct{ controller, file string }{
		{"", "memory.events"}, {"memory", "memory.oom_control"},
	} {
		for _, dir := range c.dirs(count.controller) {
			if _, err := os.Stat(path.Join(dir, count.file)); err == nil {
				return stat(dir, count.file, "oom_kill"), true
			}
		}
	}
	return 0, false
}

// stat is what follows the key in a file of such lines, 0 if there is none.
func stat(dir, file, key string) int64 {
	text, _ := os.ReadFile(path.Join(dir, file))
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			n, _ := strconv.ParseInt(v, 10, 64)
			return max(0, n)
		}
	}
	return 0
}
