package connection

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/mpgo/mp/internal/sys"
)

// listenAt listens at an address, or one that it chooses. Who does so no longer calls
// release.
func listenAt(ctx context.Context, network, address string) (l net.Listener, release func(), err error) {
	switch {
	case network != "unix" && address == "":
		address = "localhost:0"
	case network != "unix":
	case address == "":
		address = "@mp-" + rand.Text()
	case !strings.HasPrefix(address, "@"):
		return listenAtPath(ctx, address)
	}
	var config net.ListenConfig
	l, err = config.Listen(ctx, network, address)
	return l, func() {}, err
}

// listenAtPath listens at a path where nobody alive does.
//
// A path cannot tell that by itself: a killed process leaves it. The lock beside it can, as
// the kernel ends it with the process (as Wayland's compositors do). Who has it may remove
// the path, if the socket there is nobody's; a program that does not know of the lock is seen
// by that. A kill after any step leaves a lock that is free, a path that is nobody's, or both.
//
// Who finds the lock's name taken from it, as by somebody who cleans up, removes neither: the
// next one may have made both.
func listenAtPath(ctx context.Context, path string) (l net.Listener, release func(), err error) {
	if runtime.GOOS != "linux" {
		return nil, nil, fmt.Errorf("paths on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	absolute, err := filepath.Abs(path) // this process may go elsewhere
	if err != nil {
		return nil, nil, err
	}
	lock, err := lockFile(ctx, absolute+".lock")
	if err != nil {
		return nil, nil, err
	}
	unlock := func(bound bool) {
		defer lock.Close()
		if !isAt(lock, lock.Name()) {
			return
		}
		if bound {
			_ = os.Remove(absolute)
		}
		_ = os.Remove(lock.Name()) // while it is locked
	}
	if isAbandoned(ctx, path) {
		_ = os.Remove(path) // bind tells if it is still there
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return sys.PrivateSocket(c)
	}}
	if l, err = config.Listen(ctx, "unix", path); err != nil {
		unlock(false)
		return nil, nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return l, func() { unlock(true) }, nil
}

// isAbandoned reports whether there is a socket at a path that is nobody's. It asks by a
// socket of another type, which nobody's refuses and somebody's finds unfit, so that whoever
// listens there notices nothing, and one who is about to is seen as well.
func isAbandoned(ctx context.Context, path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	var dialler net.Dialer
	c, err := dialler.DialContext(ctx, "unixgram", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// lockFile locks the file of a name, which it makes if there is none.
func lockFile(ctx context.Context, name string) (*os.File, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|sys.NoFollow, 0o600)
		if err != nil {
			return nil, err
		}
		locked, err := sys.TryLockFile(f)
		switch {
		case err != nil:
			f.Close()
			return nil, err
		case !locked:
			f.Close()
			return nil, fmt.Errorf("%s is locked: %w", name, syscall.EADDRINUSE)
		}
		if isAt(f, name) {
			return f, nil
		}
		f.Close() // its owner removed it meanwhile
	}
}

// isAt reports whether a file still has its name.
func isAt(f *os.File, name string) bool {
	its, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(its, there)
}
