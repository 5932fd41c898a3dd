package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/mpgo/mp/internal/keeper"
	"github.com/mpgo/mp/shm"
)

// A File is an open file, pipe, socket or whatever else has a descriptor, for all
// processes of the tree. It may be sent to other processes, before or after they have
// started, and each of them can open it, any number of times. It must not be copied.
//
// The first process of the tree keeps the descriptor for the others. So a File outlives
// whoever made it, and whoever sent it. When its last handle is freed, or the last
// process that had one has died, the descriptor is closed: then, and not before, the
// reader of a pipe, or the peer of a socket, finds the end, if nobody has another
// descriptor of it. Where that matters each process should Free the handles that it got,
// also in arguments: the garbage collector does it some time. The first process closes a
// descriptor of the file then; by the rules of POSIX it loses the locks of fcntl that it
// has there.
//
// Python: reduction.send_handle, recv_handle and DupFd, and sending a socket or a
// Connection.
type File struct {
	handle[*keptFile, files]
}

// files describes the blocks of Files. Such a block is a keeper that keeps no other
// block; its payload is the key of the descriptor, and the file's name.
type files struct{}

func (files) what() string   { return "File" }
func (files) kind() shm.Kind { return kindFile }
func (files) typ() uint32    { return 0 }

func (files) open(o *shm.Object) (*keptFile, error) {
	b, err := o.Payload()
	if err != nil {
		return nil, err
	}
	if len(b) < keeper.KeySize {
		return nil, fmt.Errorf("%d bytes: %w", len(b), shm.ErrDamaged)
	}
	return &keptFile{key: keyOf(o.Ref()), name: string(b[keeper.KeySize:])}, nil
}

// A keptFile is what a process knows of a File.
type keptFile struct {
	key  keeper.Key
	name string
}

// keyOf is the key of a File's descriptor: its Ref, which never names another block.
func keyOf(r shm.Ref) (key keeper.Key) {
	_, _ = r.AppendBinary(key[:0]) // in place: there is room
	return key
}

// NewFile makes a File of what f is open for. f stays the caller's, who may close it at
// once. Of a net.Conn or net.Listener, its method File makes an *os.File.
//
// NewFile waits until the first process of the tree has the descriptor, or ctx ends. If
// that process is stopped, it is waited for; if it is gone, the error is ErrKeeperDied;
// if it has no number left for a descriptor, syscall.EMFILE. A File takes 64 bytes of
// shared memory, or more with a long name.
func NewFile(ctx context.Context, f *os.File) (*File, error) {
	door, err := treeDoor()
	if err != nil {
		return nil, err
	}
	obj, err := newFileBlock(f)
	if err != nil {
		return nil, err
	}
	if err := door.Keep(ctx, keyOf(obj.Ref()), f); err != nil {
		obj.Close()
		return nil, fmt.Errorf("mp: a new File: %w", keeperError(err))
	}
	file := new(File)
	return file, file.bind(obj)
}

func newFileBlock(f *os.File) (*shm.Object, error) {
	if f == nil {
		return nil, fmt.Errorf("mp: a new File: %w", os.ErrInvalid)
	}
	var d files
	name := f.Name()
	obj, err := allocate(d.what(), func(a *shm.Arena) (*shm.Object, error) {
		return a.NewKeeper(d.kind(), d.typ(), nil, keeper.KeySize+len(name))
	})
	if err != nil {
		return nil, err
	}
	b, err := obj.Payload()
	if err != nil {
		obj.Close()
		return nil, err
	}
	key := keyOf(obj.Ref())
	copy(b[copy(b, key[:]):], name)
	return obj, nil
}

// Open opens the File in this process: a new descriptor, closed in programs that it
// executes, of the same open file, as if it had been duplicated. So the offset, the
// flags and a lock of flock are one for all that ever opened it; one that does not block
// stays so. It stays open when the File is freed. Of a socket, net.FileConn and
// net.FileListener make what it was.
//
// Open waits for the first process of the tree, or until ctx ends. The error is ctx's,
// ErrClosed if the handle is freed, ErrKeeperDied if the first process is gone, or
// syscall.EMFILE if a descriptor is too many here or there.
func (f *File) Open(ctx context.Context) (*os.File, error) {
	if !f.usable() {
		return nil, f.unusable()
	}
	door, err := treeDoor()
	if err != nil {
		return nil, err
	}
	d, err := door.Open(ctx, f.view.key)
	name := f.view.name
	runtime.KeepAlive(f)
	if err != nil {
		return nil, f.tell("open", keeperError(err))
	}
	return d.File(name), nil
}

// String is the name that the *os.File had.
func (f *File) String() string {
	if !f.usable() {
		return "File (freed)"
	}
	return fmt.Sprintf("File %q", f.view.name)
}

// Free gives this handle back; it cannot be used any more. What was opened stays open.
func (f *File) Free() error { return f.free() }

// keeperError is an error of the keeper for users.
func keeperError(err error) error {
	if errors.Is(err, keeper.ErrUnknown) {
		return fmt.Errorf("%w: %w", err, ErrClosed)
	}
	return err
}

func init() { shm.OnFree(kindFile, dropFile) }

// dropFile tells the first process of a File that nobody can come to have any more.
func dropFile(_ *shm.Arena, _ uint32, _ []shm.Ref, payload []byte) {
	if door := tree.door.Load(); door != nil && len(payload) >= keeper.KeySize {
		door.Drop(keeper.Key(payload))
	}
}

// treeDoor is this process's way to the descriptors that the first process keeps. The
// first process makes it when it first needs it, which is before it has a child;
// children are born with it.
func treeDoor() (*keeper.Door, error) {
	if door := tree.door.Load(); door != nil {
		return door, nil
	}
	a, err := arena()
	if err != nil {
		return nil, err
	}
	tree.mu.Lock()
	defer tree.mu.Unlock()
	if door := tree.door.Load(); door != nil {
		return door, nil
	}
	door, err := keeper.Start(func(key keeper.Key) bool {
		var r shm.Ref
		return r.UnmarshalBinary(key[:]) == nil && a.InUse(r, kindFile)
	})
	if err != nil {
		return nil, fmt.Errorf("mp: no way to keep descriptors for other processes: %w", err)
	}
	tree.door.Store(door)
	return door, nil
}
