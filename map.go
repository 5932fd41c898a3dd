package mp

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// A MapOption changes how Map, MapSeq and MapUnordered work.
type MapOption func(*mapOptions)

type mapOptions struct{ window int }

// WithWindow bounds how many inputs may have been taken whose results were not
// handed out yet; the default is four for each worker. An input sequence is never
// pulled further than that.
func WithWindow(n int) MapOption {
	return func(o *mapOptions) { o.window = n }
}

func (p *Pool) window(opts []MapOption) int {
	o := mapOptions{window: 4 * p.Workers()}
	for _, set := range opts {
		set(&o)
	}
	return max(1, o.window)
}

// Map has the pool run f with each of in, and returns the results in the same
// order. The first error ends it: tasks that were not begun are dropped, running
// ones are cancelled. Python: map.
func (f *Func[In, Out]) Map(ctx context.Context, p *Pool, in []In, opts ...MapOption) ([]Out, error) {
	outs := make([]Out, len(in))
	for r := range f.pump(ctx, p, slices.Values(in), p.window(opts)) {
		if r.err != nil {
			return nil, fmt.Errorf("mp: map of %q, input %d: %w", f.name, r.index, r.err)
		}
		outs[r.index] = r.out
	}
	return outs, nil
}

// MapSeq has the pool run f with each of in, and yields the results in the same
// order, each with its error. Breaking out of the loop gives up what is left.
// Python: imap.
func (f *Func[In, Out]) MapSeq(ctx context.Context, p *Pool, in iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	window := p.window(opts)
	return func(yield func(Out, error) bool) {
		early := make(map[int]mapped[Out]) // results whose turn has not come
		next := 0
		// Of the tasks in the window, the one whose turn it is makes all others wait:
		// the pump must not run ahead of it further than the window.
		inTurn := func() int { return next }
		for r := range f.pumpFrom(ctx, p, in, window, inTurn) {
			early[r.index] = r
			for {
				r, ok := early[next]
				if !ok {
					break
				}
				delete(early, next)
				next++
				if !yield(r.out, r.err) {
					return
				}
			}
		}
	}
}

// MapUnordered has the pool run f with each of in, and yields the results as they
// come, each with its error. Breaking out of the loop gives up what is left.
// Python: imap_unordered.
func (f *Func[In, Out]) MapUnordered(ctx context.Context, p *Pool, in iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	window := p.window(opts)
	return func(yield func(Out, error) bool) {
		for r := range f.pump(ctx, p, in, window) {
			if !yield(r.out, r.err) {
				return
			}
		}
	}
}

// mapped is one result of a map.
type mapped[Out any] struct {
	index int
	out   Out
	err   error
}

// pump keeps up to window tasks going and yields what comes back.
func (f *Func[In, Out]) pump(ctx context.Context, p *Pool, in iter.Seq[In], window int) iter.Seq[mapped[Out]] {
	return f.pumpFrom(ctx, p, in, window, nil)
}

// pumpFrom is pump, but takes no input that is window or more beyond first().
func (f *Func[In, Out]) pumpFrom(ctx context.Context, p *Pool, in iter.Seq[In], window int, first func() int) iter.Seq[mapped[Out]] {
	return func(yield func(mapped[Out]) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // gives up what is left
		pull, stop := iter.Pull(in)
		defer stop()
		results := make(chan mapped[Out], window) // has room for every task under way
		taken, back := 0, 0
		room := func() bool {
			return taken-back < window && (first == nil || taken-first() < window)
		}
		for more := true; ; {
			for more && room() {
				var v In
				if v, more = pull(); more {
					f.launch(ctx, p, v, taken, results)
					taken++
				}
			}
			if back == taken {
				return
			}
			r := <-results
			back++
			if !yield(r) {
				return
			}
		}
	}
}

// launch submits one task of a map.
func (f *Func[In, Out]) launch(ctx context.Context, p *Pool, v In, index int, results chan<- mapped[Out]) {
	f.submit(ctx, p, v, func(out Out, err error) {
		results <- mapped[Out]{index, out, err}
	})
}
