package mp

import (
	"os"
	"slices"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// ProcessInfo says who a process is.
type ProcessInfo struct {
	PID  int    // process id, in this process's namespace
	Name string // for people; see WithName. That of the first process is "main"

	incarnation shm.Incarnation
	done        chan struct{}
}

// Current is the calling process. Python: current_process.
func Current() *ProcessInfo {
	info := self.info
	if !self.is {
		info = ProcessInfo{PID: os.Getpid(), Name: "main"}
	}
	return &info
}

// Parent is the process that started the calling one, or nil if this library did
// not start it. Python: parent_process.
func Parent() *ProcessInfo {
	if !self.is {
		return nil
	}
	info := self.parent
	return &info
}

// Done is closed when the process is gone: of Parent, when the calling process is an
// orphan; of Current, never. Python: is_alive and join of parent_process.
func (i *ProcessInfo) Done() <-chan struct{} { return i.done }

// NumCPU is how many CPUs this process may use at a time: those of its affinity
// mask, limited by its cgroup's quota; at least 1.
func NumCPU() int { return sys.NumCPU() }

// ExtraFiles are the files that this process was started with beside standard input,
// output and error, in the order of WithExtraFiles. They are the same ones at each
// call: who closes one closes it for all.
func ExtraFiles() []*os.File { return slices.Clone(self.files) }
