package ipc

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
)

// A pusher is how goroutines of a process use one StreamWriter: as the favoured one, or by Push,
// which is given memory of the records' length, and else under a lock.
type pusher struct {
	*StreamWriter
	mu     sync.Mutex
	slow   int                      // under the lock: records that were not written quickly
	kept   atomic.Pointer[Favoured] // from the last Push, for all goroutines
	byStep atomic.Int64             // records that were written by the steps of the favoured one
}

func newPusher(w *StreamWriter, length int) *pusher {
	p := &pusher{StreamWriter: w}
	w.Sends(length, p.putUnderLock)
	return p
}

// putUnderLock waits for room, and the lock, if there is a context.
func (p *pusher) putUnderLock(ctx context.Context, msg []byte, at goroutine.Place) error {
	if ctx != nil {
		p.mu.Lock()
	} else if !p.mu.TryLock() {
		return ErrFull
	}
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
	var here byte
	// SAFETY: the message's own memory.
	b := unsafe.Pointer(unsafe.SliceData(msg))
	if f := p.kept.Load(); f != nil && f.Is(&here) {
		end, trouble := f.Begin()
		if trouble != 0 {
			trouble = f.Again(end)
		}
		if trouble == 0 && f.Hears() == 0 {
			quickCopy(f.Record(), b, f.length)
			f.Tell()
			if waiting := f.End(end); waiting != 0 || f.Due(end) {
				f.After(waiting)
			}
			p.byStep.Add(1)
			return nil
		}
		f.Undo()
	}
	err := p.Push(ctx, b, goroutine.At(&here))
	p.kept.Store(p.Favoured())
	return err
}

// A puller is that for a StreamReader.
type puller struct {
	*StreamReader
	mu     sync.Mutex
	slow   int
	kept   atomic.Pointer[Favoured]
	byStep atomic.Int64
}

func newPuller(r *StreamReader, length int) *puller {
	p := &puller{StreamReader: r}
	r.Receives(length, p.getUnderLock)
	return p
}

func (p *puller) getUnderLock(ctx context.Context, msg []byte, at goroutine.Place) (err error) {
	if ctx != nil {
		p.mu.Lock()
	} else if !p.mu.TryLock() {
		return ErrEmpty
	}
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
	var here byte
	// SAFETY: the memory of a message.
	b := unsafe.Pointer(unsafe.SliceData(msg))
	if f := p.kept.Load(); f != nil && f.Is(&here) {
		if next, trouble := f.Begin(); trouble == 0 && f.Reaches() == 0 {
			f.Read(b)
			if f.End(next) != 0 {
				f.Wake()
			}
			p.byStep.Add(1)
			return nil
		}
		f.Undo()
	}
	err := p.Pull(ctx, b, goroutine.At(&here))
	p.kept.Store(p.Favoured())
	return err
}

// tryPull is pull for who does not wait.
func (p *puller) tryPull(msg []byte) error {
	var here byte
	// SAFETY: the memory of a message.
	b := unsafe.Pointer(unsafe.SliceData(msg))
	if f := p.kept.Load(); f != nil && f.Is(&here) {
		next, trouble := f.Begin()
		if trouble != 0 {
			trouble = f.Seek(next)
		}
		if trouble == 0 && f.Reaches() == 0 {
			f.Read(b)
			if f.End(next) != 0 {
				f.Wake()
			}
			p.byStep.Add(1)
			return nil
		}
		f.Undo()
	}
	err := p.TryPull(b, goroutine.At(&here))
	p.kept.Store(p.Favoured())
	return err
}
