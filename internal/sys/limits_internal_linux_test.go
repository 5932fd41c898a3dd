package sys

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree makes a folder with files in it.
func tree(t *testing.T, files map[string]string) cgroups { return findCgroups(plant(t, files)) }

// plant makes a file system's root with some files.
func plant(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func TestCgroupMemory(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  int64 // -1: no limit
	}{
		"no proc":       {nil, -1},
		"no controller": {map[string]string{"proc/self/cgroup": "0::/\n"}, -1},
		"garbage":       {map[string]string{"proc/self/cgroup": "::\nfoo\n0::/a\n", "sys/fs/cgroup/a/memory.max": "x"}, -1},
		"version 2": {map[string]string{
			"proc/self/cgroup":               "0::/a\n",
			"sys/fs/cgroup/a/memory.max":     "1000\n",
			"sys/fs/cgroup/a/memory.current": "600\n",
			"sys/fs/cgroup/a/memory.stat":    "anon 300\ninactive_file 100\n",
		}, 500},
		"no limit": {map[string]string{
			"proc/self/cgroup":               "0::/a\n",
			"sys/fs/cgroup/a/memory.max":     "max\n",
			"sys/fs/cgroup/a/memory.current": "600\n",
		}, -1},
		"the group above": {map[string]string{
			"proc/self/cgroup":                 "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max":       "1000\n",
			"sys/fs/cgroup/a/memory.current":   "900\n",
			"sys/fs/cgroup/a/b/memory.max":     "500\n",
			"sys/fs/cgroup/a/b/memory.current": "100\n",
		}, 100},
		"used up": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "1000\n",
			"sys/fs/cgroup/memory.current": "1100\n",
		}, 0},
		"version 1 in a container": {map[string]string{
			"proc/self/cgroup":                           "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "600\n",
			"sys/fs/cgroup/memory/memory.stat":           "total_inactive_file 50\n",
		}, 450},
		"version 1 without limit": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "600\n",
		}, -1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			left, limited := tree(t, test.files).memory()
			require.Equal(t, test.want >= 0, limited)
			if limited {
				require.Equal(t, test.want, left)
			}
		})
	}
}

func TestCgroupCPUs(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  float64 // 0: no limit
	}{
		"no proc":   {nil, 0},
		"no limit":  {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 0},
		"version 2": {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5},
		"the group above": {map[string]string{
			"proc/self/cgroup":          "0::/a/b\n",
			"sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
			"sys/fs/cgroup/a/cpu.max":   "200000 100000\n",
		}, 2},
		"version 1": {map[string]string{
			"proc/self/cgroup":                      "5:cpu,cpuacct:/a\n",
			"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us":  "50000\n",
			"sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":    "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":   "100000\n",
		}, 0.5},
		"garbage": {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "1 0\n"}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cpus, limited := tree(t, test.files).cpus()
			require.Equal(t, test.want > 0, limited)
			if limited {
				require.InDelta(t, test.want, cpus, 1e-9)
			}
		})
	}
}

func TestPeerCPUs(t *testing.T) {
	const online = "sys/devices/system/cpu/online"
	tests := map[string]struct {
		files map[string]string
		want  int
	}{
		"the machine's":   {map[string]string{online: "0-3\n"}, 4},
		"with gaps":       {map[string]string{online: "0,2-3,8-11\n"}, 7},
		"a version 2 set": {map[string]string{online: "0-7\n", "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpuset.cpus.effective": "1\n"}, 1},
		"a version 1 set": {map[string]string{online: "0-7\n", "proc/self/cgroup": "3:cpuset:/a\n", "sys/fs/cgroup/cpuset/a/cpuset.effective_cpus": "0-1\n"}, 2},
		"a quota":         {map[string]string{online: "0-7\n", "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n"}, 1},
		"an empty set":    {map[string]string{online: "0-1\n", "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpuset.cpus.effective": "\n"}, 2},
		"garbage":         {map[string]string{online: "3-1\n"}, NumCPU()},
		"nothing":         {nil, NumCPU()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, peerCPUs(plant(t, test.files))) })
	}
	require.LessOrEqual(t, NumCPU(), PeerCPUs())
}

func TestThisMachine(t *testing.T) {
	require.LessOrEqual(t, 1, NumCPU())
	require.LessOrEqual(t, NumCPU(), runtime.NumCPU())
	free, ok := MemAvailable()
	require.True(t, ok)
	require.Positive(t, free)
	_, ok = machineMemory(filepath.Join(t.TempDir(), "meminfo"))
	require.False(t, ok)
}

func TestParseStartTime(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21"
	for _, name := range []string{"(go)", "(a b)", "(a) S 1 (b)", "())"} {
		got, err := parseStartTime([]byte("42 " + name + rest))
		require.NoError(t, err, name)
		require.EqualValues(t, 777, got, name)
	}
	for _, bad := range []string{"", "42", "42 (go) S 1 2", "42 (go) S" + " x x x x x x x x x x x x x x x x x x x x"} {
		_, err := parseStartTime([]byte(bad))
		require.Error(t, err, bad)
	}
}

func FuzzFindGoNote(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x05\x00\x00\x00\x04\x00\x00\x00Go\x00\x00abcde\x00\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x04\x00\x00\x00Go\x00\x00"))
	f.Fuzz(func(t *testing.T, notes []byte) {
		require.LessOrEqual(t, len(findGoNote(notes, binary.LittleEndian)), len(notes))
	})
}
