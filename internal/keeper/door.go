package keeper

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/mpgo/mp/internal/sys"
)

// A Door is a process's way to the keeper. Its methods may be called at the same time.
type Door struct {
	file   *os.File
	socket sys.Descriptor // file's
}

// NewDoor makes a Door of the file that was inherited, which belongs to it from now on.
func NewDoor(file *os.File) *Door {
	return &Door{file: file, socket: sys.Descriptor(file.Fd())}
}

// File is for children to inherit.
func (d *Door) File() *os.File { return d.file }

// Keep has the keeper keep what f is open for, by a key that is wanted. f stays the
// caller's.
func (d *Door) Keep(ctx context.Context, key Key, f *os.File) error {
	its, err := sys.Duplicate(f) // so that f may be closed meanwhile
	if err != nil {
		return err
	}
	defer its.Close()
	_, err = d.ask(ctx, request{opKeep, key}, its)
	return err
}

// Open gets a descriptor of what is kept by the key.
func (d *Door) Open(ctx context.Context, key Key) (sys.Descriptor, error) {
	got, err := d.ask(ctx, request{opOpen, key})
	switch {
	case err != nil:
		return 0, err
	case got.Lacking:
		return 0, errFullHere
	case len(got.Carried) == 0:
		return 0, ErrRefused
	}
	return got.Carried[0], nil
}

// Drop tells the keeper that a key is not wanted any more. It does not wait, and may be
// called twice.
func (d *Door) Drop(key Key) {
	_ = d.socket.TrySend(request{opDrop, key}.bytes())
}

// tries is how often a request is made that is not answered. The first time the keeper
// may have no number for a descriptor, and others may be faster after that.
const tries = 8

// ask sends a request, and returns the answer's message if that is that it is done.
func (d *Door) ask(ctx context.Context, r request, carried ...sys.Descriptor) (sys.Message, error) {
	for range tries {
		a, m, err := d.askOnce(ctx, r, carried)
		if err != nil {
			return sys.Message{}, err
		}
		if m.Length > 0 {
			return m, a.err()
		}
	}
	return sys.Message{}, errFull
}

// askOnce is ask for one try. The message is empty if the request was not answered.
func (d *Door) askOnce(ctx context.Context, r request, carried []sys.Descriptor) (a answer, m sys.Message, err error) {
	here, there, err := sys.AnswerSockets("keeper's answer")
	if err != nil {
		return 0, m, err
	}
	defer func() { _ = here.Close() }()
	err = d.send(ctx, r, append([]sys.Descriptor{there}, carried...))
	there.Close()
	if err != nil {
		return 0, m, err
	}
	defer context.AfterFunc(ctx, func() { _ = here.SetReadDeadline(time.Unix(1, 0)) })()
	var said [1]byte
	m, err = sys.Receive(here, said[:], 1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ctx.Err()
	}
	return answer(said[0]), m, err
}

// While there is no room in the socket, it is looked at again after these times. It is
// not in Go's poller; see sys.MailSockets.
const (
	firstLook  = time.Millisecond
	latestLook = 50 * time.Millisecond
)

// send sends a request, when there is room for it.
func (d *Door) send(ctx context.Context, r request, carried []sys.Descriptor) error {
	for pause := firstLook; ; pause = min(2*pause, latestLook) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := d.socket.TrySend(r.bytes(), carried...)
		switch {
		case errors.Is(err, os.ErrProcessDone):
			return ErrDied
		case !errors.Is(err, syscall.EAGAIN):
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
