package child

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
)

// A Self is what a child was born with.
type Self struct {
	Marker string
	Arena  *os.File
	Door   *os.File
	Files  []*os.File
	life   *os.File
}

// Marked reports whether this process was started as a child and has not called
// Adopt yet.
func Marked() bool {
	_, ok := os.LookupEnv(markerName)
	return ok
}

// Adopt takes over what the parent prepared; ok is false in a process that is no
// child. From here on nothing of it leaks to this process's own children.
func Adopt() (self Self, ok bool) {
	marker, ok := os.LookupEnv(markerName)
	if !ok {
		return Self{}, false
	}
	race.NotAlone()
	_ = os.Unsetenv(markerName)
	files, marker := splitMarker(marker)
	for fd := arenaFD; fd < firstFile+files; fd++ {
		sys.CloseOnExec(fd)
	}
	crash := os.NewFile(crashFD, "crash")
	_ = debug.SetCrashOutput(crash, debug.CrashOptions{}) // keeps a duplicate
	sys.KeepLastWords()
	_ = crash.Close()
	_ = sys.SetNonblock(lifeFD) // so that waiting for the parent costs no thread
	return Self{
		Marker: marker,
		Arena:  os.NewFile(arenaFD, "arena"),
		Door:   os.NewFile(doorFD, "door"),
		Files:  inherited(files),
		life:   os.NewFile(lifeFD, "life"),
	}, true
}

// maxFiles is how many files a child can have at most: what Linux allows a process
// unless its administrator raises fs.nr_open (proc_sys_fs(5)).
const maxFiles = 1 << 20

// splitMarker cuts the number of the user's files off a marker. One that does not
// begin with such a number is left as it is, and will be refused.
func splitMarker(marker string) (files int, rest string) {
	count, rest, found := strings.Cut(marker, ":")
	files, err := strconv.Atoi(count)
	if !found || err != nil || files < 0 || files > maxFiles {
		return 0, marker
	}
	return files, rest
}

// inherited are the files that the user gave the child.
func inherited(n int) []*os.File {
	files := make([]*os.File, n)
	for i := range files {
		files[i] = os.NewFile(uintptr(firstFile+i), fmt.Sprintf("inherited:%d", i))
	}
	return files
}

// Commands passes each command of the parent to obey, and returns when the
// parent is gone.
func (s Self) Commands(obey func(verb byte, operand uint64)) {
	var c [commandSize]byte
	for {
		if _, err := io.ReadFull(s.life, c[:]); err != nil {
			race.Return()
			return // the end of the file, or no life line: no parent either way
		}
		race.Return()
		obey(c[0], binary.LittleEndian.Uint64(c[1:]))
	}
}

// A command is a verb and its operand.
const commandSize = 1 + 8
