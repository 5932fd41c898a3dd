package ours

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/side"
)

// makers make one object of each kind that memory can be asked of.
var makers = map[string]func(job side.Job) (any, error){
	"mutex": func(side.Job) (any, error) { return mp.NewMutex() },
	"value": func(side.Job) (any, error) { return mp.NewValue(0) },
	"queue": func(job side.Job) (any, error) { return mp.NewQueue[message](job.Capacity) },
}

const objects = 10_000

// memory is what an object takes: shared memory, and memory of the process that
// made it.
func memory(job side.Job) (side.Sample, error) {
	create, ok := makers[job.Object]
	if !ok {
		return side.Sample{}, fmt.Errorf("no such object: %s", job.Object)
	}
	warm, err := create(job) // what the first one makes for all
	if err != nil {
		return side.Sample{}, err
	}
	kept := make([]any, 0, objects)
	heapBefore, sharedBefore := heap(), shared()
	for range objects {
		object, err := create(job)
		if err != nil {
			return side.Sample{}, err
		}
		kept = append(kept, object)
	}
	inShared, private := shared()-sharedBefore, heap()-heapBefore
	runtime.KeepAlive(warm)
	runtime.KeepAlive(kept)
	return side.Sample{
		Figure: float64(inShared+private) / objects,
		Count:  objects,
		Note:   fmt.Sprintf("%d shared + %d in the process", inShared/objects, private/objects),
	}, nil
}

// heap is how much of the Go heap is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one had to finalize
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// shared is how much memory the kernel has given this process's memory files.
func shared() (bytes int64) {
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return 0
	}
	for _, file := range files {
		var stat unix.Stat_t
		if target, err := os.Readlink(file); err != nil || !strings.HasPrefix(target, "/memfd:") {
			continue
		}
		if unix.Stat(file, &stat) == nil {
			bytes += stat.Blocks * 512
		}
	}
	return bytes
}
