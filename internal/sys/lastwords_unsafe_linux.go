package sys

import (
	"syscall"
	"unsafe"
)

// Of a fatal error that is no panic the Go runtime prints the line that says what
// it is ("fatal error: concurrent map writes", "runtime: out of memory: …") before
// it counts itself as crashing (throw and fatal in runtime/panic.go). Only what
// comes after goes to the file of debug.SetCrashOutput, too (writeErrData in
// runtime/runtime.go). So the crash's text would begin with the goroutine.
//
// lastWords remembers what the runtime printed last, and writes it to the crash
// file when the runtime first does. The runtime prints through overrideWrite, a
// variable that it lets other packages set (runtime/time_nofake.go).
//
//	words      the last bytes printed, at their number modulo len(words)
//	end        number of the next byte
//	last, n    where the last text lay, and its length
//	told       the crash has begun, and words are in its file
//
// The runtime prints one text at a time, but for the few that it prints when it is
// past helping: then words may be garbled, and nothing worse. None of it is atomic:
// with the race detector atomic operations need a goroutine.
var lastWords struct {
	words [512]byte
	end   uint32
	last  uintptr
	n     int32
	told  bool
}

//go:linkname overrideWrite runtime.overrideWrite
var overrideWrite func(fd uintptr, p unsafe.Pointer, n int32) int32

// KeepLastWords makes the text of a fatal error complete in the file that
// debug.SetCrashOutput was called with.
func KeepLastWords() { overrideWrite = writeAndRemember }

const stderr = 2

// writeAndRemember is the runtime's write(2). It may run without a goroutine, in a
// signal handler, on the last bytes of a stack: it must not allocate, grow the
// stack or touch a pointer on the heap.
//
//go:nosplit
//go:norace
//go:nocheckptr
func writeAndRemember(fd uintptr, p unsafe.Pointer, n int32) int32 {
	w := &lastWords
	switch {
	case fd == stderr:
		// SAFETY: an address to compare with; nothing is read there.
		w.last, w.n = uintptr(p), n
		remember(p, n)
	case w.last == uintptr(p) && w.n == n && !w.told:
		// What was just printed goes elsewhere, too: this is the crash file. The text
		// itself is already remembered.
		w.told = true
		tell(fd, w.end-uint32(n))
	}
	return write(fd, p, n)
}

//go:nosplit
//go:norace
//go:nocheckptr
func remember(p unsafe.Pointer, n int32) {
	w := &lastWords
	if w.told {
		return
	}
	for i := range n {
		// SAFETY: the runtime's text has n bytes, i is less.
		w.words[w.end%uint32(len(w.words))] = *(*byte)(unsafe.Add(p, i))
		w.end++
	}
}

// tell writes what is remembered, up to byte number end, to the crash file.
//
//go:nosplit
//go:norace
//go:nocheckptr
func tell(fd uintptr, end uint32) {
	w := &lastWords
	const size = uint32(len(w.words))
	begin := uint32(0)
	if w.end > size {
		begin = min(w.end-size, end) // older bytes were written over
	}
	for begin < end {
		n := min(end-begin, size-begin%size)
		// SAFETY: n bytes from there are within words, which lie in no heap.
		write(fd, unsafe.Pointer(&w.words[begin%size]), int32(n))
		begin += n
	}
}

// write returns what the system call does: bytes, or minus the error's number.
//
//go:nosplit
//go:norace
//go:nocheckptr
func write(fd uintptr, p unsafe.Pointer, n int32) int32 {
	// SAFETY: the runtime's text, or words; the kernel reads n bytes.
	r, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(p), uintptr(n))
	if errno != 0 {
		return -int32(errno)
	}
	return int32(r)
}
