package storm

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mpgo/mp"
)

// A Report is what a storm was and what came of it.
type Report struct {
	Seed    uint64
	Procs   int
	Planned time.Duration
	Elapsed time.Duration
	Began   time.Time

	Machine string // processor count, kernel, Go
	Commit  string

	Kills      int64 // of sailors, with SIGKILL
	Workers    int64 // of the pool, killed
	Mates      int64 // children of sailors, killed by them
	Stops      int64 // SIGSTOP, and SIGCONT or SIGKILL later
	Births     int64 // of sailors
	PutOff     int64 // births, for want of shared memory
	PoolsEnded int   // pools that gave up because their workers were killed too fast
	Calls      int64 // of the pool, that returned

	Musters    []Muster
	Acts       []Act
	Recoveries []Recovery
	Samples    []Sample

	Violations []string
}

// A Muster is the end of a watch: everybody is at rest, and all is counted.
type Muster struct {
	At     time.Duration // since the beginning
	Took   time.Duration // until all were at rest
	Blocks int           // of shared memory in use, without the watch's objects
	Bytes  int64
	Deaths int // in the middle of an act, by hands
}

// An Act is what was done of one kind, by all hands.
type Act struct {
	Name    string
	Done    int64
	Passed  int64 // came to nothing: nothing there, no room, a short wait over
	Refused int64 // for want of shared memory
	Deaths  int64 // hands that were killed in it
}

// A Recovery is how long it took others to go on after a kill. Each figure is the
// bound of a bucket: up to nine per cent too large.
type Recovery struct {
	Name                  string
	Count                 int64
	Median, P90, P99, Max time.Duration
}

// A Sample is how things stood at some moment.
type Sample struct {
	At      time.Duration // since the beginning
	Done    int64         // acts
	Kills   int64         // of all kinds
	Births  int64
	Bytes   int64 // of shared memory in use
	Refused int64
}

// reckon reads all logs into the report.
func (s *storm) reckon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	for clock := range clockNames {
		r.Recoveries = append(r.Recoveries, s.logs.recovery(clock))
	}
	for i, a := range acts {
		r.Mates += s.counted(i, countKills)
		r.Acts = append(r.Acts, Act{
			Name: a.name, Done: s.counted(i, countDone), Passed: s.counted(i, countPassed), Refused: s.counted(i, countRefused),
			Deaths: int64(s.crew.deaths[i]),
		})
	}
}

// counted is what all hands have counted of an act.
func (s *storm) counted(act, what int) (sum int64) {
	for nth := range s.Procs*hands + 1 {
		sum += s.logs.page(nth).counted(act, what)
	}
	return sum
}

// finished is the report when all is over.
func (s *storm) finished() *Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	r.Seed, r.Procs, r.Planned, r.Elapsed, r.Began = s.Seed, s.Procs, s.Duration, time.Since(s.began), s.began
	r.Machine = fmt.Sprintf("%d CPUs, Linux %s, %s", mp.NumCPU(), kernel(), runtime.Version())
	r.Commit = commit()
	r.Kills, r.Workers, r.Stops = s.wind.kills.Load(), s.wind.workers.Load(), s.wind.stops.Load()
	r.Births, r.PutOff = s.crew.births.Load(), s.crew.putOff.Load()
	r.PoolsEnded, r.Calls = s.office.gaveUp, s.office.done
	return r
}

// kernel is the release of the system.
func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of unknown release"
	}
	return strings.TrimSpace(string(b))
}

// commit is what this program was built from, as far as the build tells.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", changed"
		}
	}
	if revision == "" {
		return "unknown"
	}
	return revision[:min(12, len(revision))] + changed
}

// Killed is how many processes were killed, in all.
func (r *Report) Killed() int64 { return r.Kills + r.Workers + r.Mates }
