package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Seals of a memory file, as Seals reports them.
const (
	SealSeal   = unix.F_SEAL_SEAL   // no seal can be added any more
	SealShrink = unix.F_SEAL_SHRINK // the file keeps at least its size: no SIGBUS
	SealGrow   = unix.F_SEAL_GROW   // the file keeps at most its size
)

// Memfd makes a file of size bytes that exists in memory only and has no name in
// any directory: when the last process that has it open or mapped is gone, so is
// the file. The name is for people who read /proc/PID/maps.
//
// The file is full of zeros and takes no memory yet (see Reserve). Its size is
// sealed for ever. The descriptor is close-on-exec.
func Memfd(name string, size int64) (*os.File, error) {
	if size <= 0 {
		return nil, fmt.Errorf("sys: memory file of %d bytes: %w", size, unix.EINVAL)
	}
	fd, err := memfdCreate(name)
	if err != nil {
		return nil, fmt.Errorf("sys: memfd_create: %w%s", err, memfdCure(err))
	}
	f := os.NewFile(uintptr(fd), "memfd:"+name)
	if err := seal(fd, size); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// memfdCreate asks for a file that can never be executed, which Linux has since
// 6.3 and where the sysctl vm.memfd_noexec may insist on it.
func memfdCreate(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// memfdCure says what to do about a refusal that is not about this one call.
func memfdCure(err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return ": this process is forbidden to make shared memory;" +
			" allow the system call memfd_create in its sandbox (seccomp profile, security module)"
	default:
		return filesCure(err)
	}
}

// filesCure says what to do about a lack of descriptors.
func filesCure(err error) string {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return ": raise the limit of open files (ulimit -n, fs.file-max) or close some"
	}
	return ""
}

func seal(fd int, size int64) error {
	if err := retry(func() error { return unix.Ftruncate(fd, size) }); err != nil {
		return fmt.Errorf("sys: memory file of %d bytes: %w", size, err)
	}
	const seals = SealSeal | SealShrink | SealGrow
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sys: sealing the size of a memory file: %w", err)
	}
	return nil
}

// Seals reports which of the Seal constants a memory file has. A file that
// cannot be sealed is an error (EINVAL).
func Seals(f *os.File) (int, error) {
	var seals int
	err := control(f, func(fd int) (err error) {
		seals, err = unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sys: seals of %s: %w", f.Name(), err)
	}
	return seals, nil
}

// reserveChunk is how much one fallocate asks for. A signal makes the kernel
// undo the whole call (mm/shmem.c, shmem_fallocate), so that a large one might
// never come to its end in a process that gets signals all the time.
//
// It is also from which size on Reserve asks first what there is: where memory
// is short the kernel would rather kill somebody than refuse.
const reserveChunk = 16 << 20

// Reserve gives memory to n bytes of f at off, so that touching them cannot fail
// later: it fails now, with ENOSPC or ENOMEM. What was written there stays.
// After an error a part may be reserved; Discard it, if nothing was there before.
func Reserve(f *os.File, off, n int64) error {
	if off < 0 || n <= 0 {
		return fmt.Errorf("sys: reserve %d bytes at %d: %w", n, off, unix.EINVAL)
	}
	if n >= reserveChunk {
		if have, enough := EnoughMemory(n); !enough {
			return fmt.Errorf("sys: reserve %d bytes, of which %d are available: %w", n, have, unix.ENOMEM)
		}
	}
	if err := control(f, func(fd int) error { return reserve(fd, off, n) }); err != nil {
		return fmt.Errorf("sys: reserve %d bytes: %w", n, err)
	}
	return nil
}

func reserve(fd int, off, n int64) error {
	for done := int64(0); done < n; done += reserveChunk {
		if err := fallocate(fd, 0, off+done, min(reserveChunk, n-done)); err != nil {
			return err
		}
	}
	return nil
}

// Discard gives the memory behind n bytes of f at off back to the system. They
// read as zeros afterwards, and take memory again when they are touched.
// Whole pages are given back; the bytes of others are set to zero.
func Discard(f *os.File, off, n int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	err := control(f, func(fd int) error { return fallocate(fd, mode, off, n) })
	if err != nil {
		return fmt.Errorf("sys: discard %d bytes at %d: %w", n, off, err)
	}
	return nil
}

func fallocate(fd int, mode uint32, off, n int64) error {
	return retry(func() error { return unix.Fallocate(fd, mode, off, n) })
}

// DontDump keeps mapped memory out of core dumps: the kernel writes the dump
// before it lets go of what the dying process holds, and a large one delays that
// by seconds. b must begin at a page.
func DontDump(b []byte) error {
	if err := unix.Madvise(b, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("sys: keep memory out of core dumps: %w", err)
	}
	return nil
}

// retry repeats a call for as long as signals interrupt it.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// control calls use with the descriptor of f, which stays open and in Go's
// poller meanwhile (Fd would take it out).
func control(f *os.File, use func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var used error
	if conn.Control(func(fd uintptr) { used = use(int(fd)) }) != nil {
		return os.ErrClosed // the only reason; package os does not translate it here
	}
	return used
}

// CloseOnExec keeps a descriptor from the programs that this process executes.
func CloseOnExec(fd int) { unix.CloseOnExec(fd) }
