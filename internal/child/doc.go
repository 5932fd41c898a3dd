// Package child starts this program again as a child process, tells the parent
// when the child is gone and the child when its parent is, and carries the few
// bytes that have to cross before shared memory does.
//
// A child finds, beside standard input, output and error:
//
//	fd 3   the arena
//	fd 4   its life line, a socket: bytes are commands of the parent, the end of file is
//	       the parent's death
//	fd 5   a file for the text of a fatal crash
//	fd 6   the door, a socket to the process that keeps descriptors (package keeper)
//	fd 7…  files that the user gave it
//
// and one variable in its environment, the marker, which Adopt removes at once,
// so that the child's own children do not take it for theirs.
package child

import "errors"

// ErrUnavailable: this system cannot start a program again.
var ErrUnavailable = errors.New("cannot start this program again")

// Descriptors of a child.
const (
	arenaFD = 3 + iota
	lifeFD
	crashFD
	doorFD
	firstFile
)

const markerName = "MP_CHILD"

// selfExe names the running program, also after its file was deleted, as that of
// `go run` and `go test` is.
const selfExe = "/proc/self/exe"
