package mp

import (
	"fmt"
	"os"
	"syscall"
)

// A Readable has Wait wait for a socket, a pipe of the system, or whatever else has a
// descriptor: until to read from it, or to accept from it, would not wait, because there
// is something, or the end, or an error. It is a value that can be compared:
//
//	ready, err := mp.Wait(ctx, queue, mp.Readable{Conn: socket})
//	if slices.Contains(ready, mp.Waitable(mp.Readable{Conn: socket})) { … }
//
// Wait does not touch what is there, nor deadlines. Another goroutine may read at the
// same time. What this process closes while Wait waits for it is not noticed, unless Conn
// has a method Done() <-chan struct{} that tells: let ctx end first.
//
// Python: connection.wait takes anything that has a fileno.
type Readable struct {
	Conn syscall.Conn // a *net.TCPConn, a *net.UnixListener, an *os.File, …
}

func (r Readable) watched() (readiness, error) {
	if r.Conn == nil {
		return readiness{}, fmt.Errorf("a Readable without a Conn: %w", os.ErrInvalid)
	}
	file, err := r.Conn.SyscallConn()
	w := readiness{file: file}
	if c, ok := r.Conn.(interface{ Done() <-chan struct{} }); ok {
		w.done = c.Done()
	}
	return w, err
}
