package mp

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"

	"github.com/mpgo/mp/ipc"
)

// A Waitable is something that Wait waits for:
//
//   - a Conn, until Recv would return at once: with a message, or because the peer has
//     closed its end or died;
//   - a Queue, until Get would: with a message, or because it is closed and empty;
//   - a Process, until it is gone. Python: the process's sentinel.
type Waitable interface {
	// watched is how to wait for it: for a source of ipc, or for done to be closed.
	watched() (source ipc.Source, done <-chan struct{}, err error)
}

// Wait waits until one of the objects is ready, or ctx ends, and returns all that are
// ready then, in the order in which they were given. Nothing is taken from them: by
// the time that the caller does, another goroutine or process may have taken it.
// Waiting for nothing waits for ctx. If that has ended, Wait looks once and does not wait
// (Python: a timeout of 0). The error is ErrClosed or the like if one of
// them cannot become ready, as a freed one, or ctx's.
//
// It costs one thread for some sixty connections and queues, while it sleeps, and
// none for processes. Python: multiprocessing.connection.wait.
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
		if ready := g.ready(); len(ready) > 0 {
			return ready, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w := ipc.NewWatch(a, g.sources)
		stop := g.ringWhenDone(w)
		err := w.Wait(ctx)
		stop()
		if err != nil {
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
}

func gather(objects []Waitable) (*gathering, error) {
	g := &gathering{objects: objects}
	for _, o := range objects {
		source, done, err := o.watched()
		if err != nil {
			return nil, fmt.Errorf("mp: wait: %w", err)
		}
		if done != nil {
			g.dones = append(g.dones, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)})
			g.is = append(g.is, func() bool { return isClosed(done) })
			continue
		}
		g.sources = append(g.sources, source)
		g.is = append(g.is, func() bool { return isReady(source) })
	}
	return g, nil
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

// ready are the objects that are.
func (g *gathering) ready() []Waitable {
	var list []Waitable
	for i, o := range g.objects {
		if g.is[i]() {
			list = append(list, o)
		}
	}
	return list
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

func (c *Conn[T]) watched() (ipc.Source, <-chan struct{}, error) {
	if !c.usable() {
		return nil, nil, c.unusable()
	}
	r, err := c.view.source()
	return r, nil, err
}

func (q *Queue[T]) watched() (ipc.Source, <-chan struct{}, error) {
	if !q.usable() {
		return nil, nil, q.unusable()
	}
	return q.view.Source(), nil, nil
}

func (p *Process) watched() (ipc.Source, <-chan struct{}, error) { return nil, p.done, nil }
