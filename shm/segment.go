package shm

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"syscall"

	"github.com/edsrzf/mmap-go"

	"github.com/mpgo/mp/internal/sys"
)

// A Segment is one piece of memory that several processes see: a file in memory
// and this process's mapping of it. It is the only owner of both.
//
// Processes share a segment by sharing its file: one passes File to a child
// (exec.Cmd.ExtraFiles) and the child maps it with MapSegment. The file has no
// name, so nothing is left over: when the last process that has it open or
// mapped is gone, however it went, the kernel frees the memory.
//
// There is no order between what processes do with the bytes but what they agree
// on with the atomic words in them (see At).
//
// The methods of a Segment may be called at the same time. It must not be copied.
type Segment struct {
	file *os.File
	size int64

	mu  sync.Mutex // guards mem
	mem mmap.MMap  // nil when closed; Unmap wants the very slice that mmap made
}

// NewSegment makes a segment of size bytes, all zero. It takes memory page by
// page as it is touched; a machine that has none left then kills with SIGBUS.
// The size is fixed for ever, for every process. A size of 0 or less is EINVAL.
//
// Where memfd_create is forbidden the error says so; on other systems than Linux
// it is errors.ErrUnsupported.
func NewSegment(size int64) (*Segment, error) {
	if err := checkSize(size); err != nil {
		return nil, err
	}
	f, err := sys.Memfd("mp", size)
	if err != nil {
		return nil, fmt.Errorf("shm: segment of %d bytes: %w", size, err)
	}
	s, err := mapPrivately(f, size)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

// MapSegment maps the segment of another process, whose File f is here. From now
// on f belongs to the segment; after an error it is still the caller's.
//
// Whoever sent f could not have made it smaller afterwards: a file without the
// seals of NewSegment is refused (ErrForeign).
func MapSegment(f *os.File) (*Segment, error) {
	seals, err := sys.Seals(f)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrClosed) {
		return nil, fmt.Errorf("shm: map segment: %w", err)
	}
	const want = sys.SealShrink | sys.SealGrow | sys.SealSeal
	if err != nil || seals&want != want {
		return nil, fmt.Errorf("shm: %s is not a sealed memory file: %w", f.Name(), ErrForeign)
	}
	size, err := fileSize(f)
	if err != nil {
		return nil, err
	}
	return mapPrivately(f, size)
}

// mapPrivately maps a file that only processes of this library have. Core dumps
// of it would be as large as the memory of the whole tree of processes.
func mapPrivately(f *os.File, size int64) (*Segment, error) {
	s, err := mapFile(f, size)
	if err != nil {
		return nil, err
	}
	if err := sys.DontDump(s.mem); err != nil {
		_ = s.mem.Unmap()
		return nil, fmt.Errorf("shm: %w", err)
	}
	return s, nil
}

func mapFile(f *os.File, size int64) (*Segment, error) {
	mem, err := mmap.MapRegion(f, int(size), mmap.RDWR, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("shm: map %d bytes of %s: %w", size, f.Name(), err)
	}
	return &Segment{file: f, size: size, mem: mem}, nil
}

// fileSize is the size of a file that can be mapped as a whole.
func fileSize(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("shm: %w", err)
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("shm: %s is no memory: %w", f.Name(), ErrForeign)
	}
	return st.Size(), checkSize(st.Size())
}

func checkSize(size int64) error {
	if size <= 0 {
		return fmt.Errorf("shm: a segment of %d bytes: the size must be positive: %w", size, syscall.EINVAL)
	}
	if size > math.MaxInt {
		return fmt.Errorf("shm: a segment of %d bytes: %w", size, ErrTooLarge)
	}
	return nil
}

// Bytes is the memory itself, in this process, from a page boundary on. It is
// valid until Close: to touch it afterwards is a crash that cannot be recovered
// from. Of a closed segment it is nil.
func (s *Segment) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mem
}

// Size is the number of bytes, also of a closed segment.
func (s *Segment) Size() int64 { return s.size }

// File is the memory as a file, to be handed to other processes. The segment
// keeps it, and closes it in Close.
func (s *Segment) File() *os.File { return s.file }

// Close unmaps the memory and closes the file, in this process only. The second
// time it returns ErrClosed.
func (s *Segment) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mem == nil {
		return fmt.Errorf("shm: segment: %w", ErrClosed)
	}
	return errors.Join(s.mem.Unmap(), s.file.Close())
}
