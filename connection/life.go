package connection

import (
	"sync/atomic"
	"syscall"
)

// A life is how long a process has the socket of a Conn.
type life struct {
	socket socket
	gone   atomic.Pointer[error] // why it has it no longer
	over   chan struct{}         // closed then
}

// end ends it. It reports false if somebody else has.
func (l *life) end(why error) bool {
	if !l.gone.CompareAndSwap(nil, &why) {
		return false
	}
	close(l.over)
	return true
}

// Done is closed when the connection cannot be used any more in this process.
func (l *life) Done() <-chan struct{} { return l.over }

// SyscallConn is for what is below: options of the socket, say. Who reads or writes there
// damages the connection.
func (l *life) SyscallConn() (syscall.RawConn, error) {
	if why := l.gone.Load(); why != nil {
		return nil, *why
	}
	return l.socket.SyscallConn()
}
