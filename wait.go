package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/ipc"
)

// A Waitable is something that Wait waits for:
//
//   - a Conn, until Recv would return at once: with a message, or because the peer has
//     closed its end or died;
//   - a Queue, until Get would: with a message, or because it is closed and empty;
//   - a Process, until it is gone. Python: the process's sentinel;
//   - a Readable, until its socket, or what else it is of, can be read.
type Waitable interface {
	watched() (readiness, error)
}

// A readiness is what tells that an object is ready: a source, or that done is closed, or
// that file can be read. With a file, done tells that it never will be.
type readiness struct {
	source ipc.Source
	done   <-chan struct{}
	file   syscall.RawConn
}

// Wait waits until one of the objects is ready, or ctx ends, and returns all that are
// ready then, in the order in which they were given. Nothing is taken from them: by
// the time that the caller does, another goroutine or process may have taken it.
// Waiting for nothing waits for ctx. If that has ended, Wait looks once and does not wait
// (Python: a timeout of 0). The error is ErrClosed or the like if one of
// them cannot become ready, as a freed one, or ctx's.
//
// It costs one thread for some sixty connections and queues, while it sleeps, and
// none for processes; for all Readables together a descriptor. Python: multiprocessing.connection.wait.
func Wait(ctx context.Context, objects ...Waitable) ([]Waitable, error) {
	defer runtime.KeepAlive(objects)
	g, err := gather(objects)
	if err != nil {
		return nil, err
	}
	a, err := arena()
	if err != nil {
		return nil, err
	}
	for { // again if another took what there was
		if ready, err := g.ready(); len(ready) > 0 || err != nil {
			return ready, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := g.sleep(ctx, ipc.NewWatch(a, g.sources)); err != nil {
			return nil, err
		}
	}
}

// A gathering is what one call of Wait waits for.
type gathering struct {
	objects []Waitable
	is      []func() bool // whether the object of that index is ready
	sources []ipc.Source
	dones   []reflect.SelectCase // of receiving from the processes' channels
	files   []syscall.RawConn
	failed  error // of asking a file
}

func gather(objects []Waitable) (*gathering, error) {
	g := &gathering{objects: objects}
	for _, o := range objects {
		w, err := o.watched()
		if err != nil {
			return nil, fmt.Errorf("mp: wait: %w", err)
		}
		if w.done != nil {
			g.dones = append(g.dones, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(w.done)})
		}
		switch {
		case w.file != nil:
			g.files = append(g.files, w.file)
			g.is = append(g.is, func() bool { return g.isReadable(o, w) })
		case w.done != nil:
			g.is = append(g.is, func() bool { return isClosed(w.done) })
		default:
			g.sources = append(g.sources, w.source)
			g.is = append(g.is, func() bool { return isReady(w.source) })
		}
	}
	return g, nil
}

// sleep waits until one of the objects may be ready, or ctx ends.
func (g *gathering) sleep(ctx context.Context, w *ipc.Watch) error {
	stopFiles, err := g.ringWhenReadable(w)
	switch {
	case errors.Is(err, os.ErrClosed):
		return nil // who looks again finds out which, and why
	case err != nil:
		return notReadable(err)
	}
	stop := g.ringWhenDone(w)
	err = w.Wait(ctx)
	stop()
	if failed := stopFiles(); err == nil && failed != nil {
		return notReadable(failed)
	}
	return err
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func isReady(s ipc.Source) bool {
	s.Enter()
	defer s.Leave()
	return s.Ready()
}

// isReadable reports whether the file of an object is, and notes why it never will be.
func (g *gathering) isReadable(o Waitable, w readiness) bool {
	is, err := sys.Readable(w.file)
	if err != nil || w.done != nil && isClosed(w.done) {
		if _, why := o.watched(); why != nil {
			g.failed = fmt.Errorf("mp: wait: %w", why)
			return false
		}
	}
	if err != nil {
		g.failed = notReadable(err)
	}
	return is
}

// notReadable is an error of asking a file, for users.
func notReadable(err error) error {
	if errors.Is(err, os.ErrClosed) {
		err = ErrClosed
	}
	return fmt.Errorf("mp: wait: a Readable: %w", err)
}

// ready are the objects that are, or why one of them never will be.
func (g *gathering) ready() (list []Waitable, err error) {
	for i, o := range g.objects {
		if g.is[i]() {
			list = append(list, o)
		}
	}
	if g.failed != nil {
		return nil, g.failed
	}
	return list, nil
}

// ringWhenDone has w rung when a process is gone. Nothing is left of that when stop
// has returned.
func (g *gathering) ringWhenDone(w *ipc.Watch) (stop func()) {
	if len(g.dones) == 0 {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	cases := append(slices.Clip(g.dones), reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(end)})
	go func() {
		defer close(ended)
		if i, _, _ := reflect.Select(cases); i < len(g.dones) {
			w.Ring()
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// ringWhenReadable has w rung when a file can be read, or when that cannot be waited for any
// more: then stop tells why. Nothing is left of it when stop has returned.
func (g *gathering) ringWhenReadable(w *ipc.Watch) (stop func() error, err error) {
	if len(g.files) == 0 {
		return func() error { return nil }, nil
	}
	lookout, err := sys.NewLookout(g.files)
	if err != nil {
		return nil, err
	}
	var stopped atomic.Bool
	failed := make(chan error, 1)
	go func() {
		err := lookout.Await()
		if stopped.Load() {
			err = nil
		}
		w.Ring()
		failed <- err
	}()
	return func() error {
		stopped.Store(true)
		lookout.Close()
		return <-failed
	}, nil
}

func (c *Conn[T]) watched() (readiness, error) {
	if !c.usable() {
		return readiness{}, c.unusable()
	}
	r, err := c.view.source()
	return readiness{source: r}, err
}

func (q *Queue[T]) watched() (readiness, error) {
	if !q.usable() {
		return readiness{}, q.unusable()
	}
	return readiness{source: q.view.Source()}, nil
}

func (p *Process) watched() (readiness, error) { return readiness{done: p.done}, nil }
