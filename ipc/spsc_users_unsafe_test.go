package ipc

import (
	"context"
	"sync"
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
)

// A pusher is how goroutines of a process use one StreamWriter: by Push, which is given
// memory of the records' length, and else under a lock.
type pusher struct {
	*StreamWriter
	mu   sync.Mutex
	slow int // under the lock: records that Push did not do quickly
}

func newPusher(w *StreamWriter, length int) *pusher {
	p := &pusher{StreamWriter: w}
	w.Sends(length, p.putUnderLock)
	return p
}

// putUnderLock waits for room if there is a context.
func (p *pusher) putUnderLock(ctx context.Context, msg []byte, at goroutine.Place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow++
	p.Withdraw()
	defer p.Grant(at)
	if ctx == nil {
		return p.TryPut(msg)
	}
	return p.Put(ctx, msg)
}

func (p *pusher) push(ctx context.Context, msg []byte) error {
	// SAFETY: the message's own memory.
	return p.Push(ctx, unsafe.Pointer(unsafe.SliceData(msg)))
}

// A puller is that for a StreamReader.
type puller struct {
	*StreamReader
	mu   sync.Mutex
	slow int
}

func newPuller(r *StreamReader, length int) *puller {
	p := &puller{StreamReader: r}
	r.Receives(length, p.getUnderLock)
	return p
}

func (p *puller) getUnderLock(ctx context.Context, msg []byte, at goroutine.Place) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow++
	p.Withdraw()
	defer p.Grant(at)
	if ctx == nil {
		_, err = p.TryGet(msg[:0])
	} else {
		_, err = p.Get(ctx, msg[:0])
	}
	return err
}

func (p *puller) pull(ctx context.Context, msg []byte) error {
	// SAFETY: the memory of a message.
	return p.Pull(ctx, unsafe.Pointer(unsafe.SliceData(msg)))
}

// tryPull looks as often as that.
func (p *puller) tryPull(msg []byte, looks int) error {
	// SAFETY: the memory of a message.
	return p.TryPull(unsafe.Pointer(unsafe.SliceData(msg)), looks)
}
