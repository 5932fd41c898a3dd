package mp

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

// A size is what a worker knows of its own memory.
type size struct {
	first  int64     // bytes, after its first call
	looked time.Time // when it last looked
}

// sizeEvery is how often a worker looks at its memory, at most: that reads a file.
const sizeEvery = time.Second

// grown reports whether this process's own memory has grown by more than limit bytes
// since the first call of it.
func (s *size) grown(limit int64) bool {
	if time.Since(s.looked) < sizeEvery {
		return false
	}
	s.looked = time.Now()
	now, ok := ownMemory()
	if s.first == 0 || !ok {
		s.first = now
		return false
	}
	if now-s.first <= limit {
		return false
	}
	debug.FreeOSMemory() // garbage is no growth
	now, _ = ownMemory()
	return now-s.first > limit
}

// ownMemory is how much memory of its own this process has; false where the system
// does not tell.
func ownMemory() (int64, bool) {
	statm, err := os.ReadFile("/proc/self/statm") // pages: size resident shared …
	f := bytes.Fields(statm)
	if err != nil || len(f) < 3 {
		return 0, false
	}
	resident, err1 := strconv.ParseInt(string(f[1]), 10, 64)
	shared, err2 := strconv.ParseInt(string(f[2]), 10, 64)
	return (resident - shared) * int64(os.Getpagesize()), err1 == nil && err2 == nil
}
