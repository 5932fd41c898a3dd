package mp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"time"
)

// A MapOption changes how Map, MapSeq and MapUnordered work.
type MapOption func(*mapOptions)

type mapOptions struct {
	window, chunk int
	all           bool
}

// WithWindow bounds how many inputs may have been taken whose results were not
// handed out yet. An input sequence is never pulled further than that. 0, the
// default, leaves it to the library: 64 for each worker, and of large inputs fewer. More
// than a million is ErrTooLarge.
func WithWindow(n int) MapOption {
	return func(o *mapOptions) { o.window = n }
}

// WithChunk sends n inputs to a worker at a time, which costs less than one by one if
// they are quickly done. 0, the default, leaves the number to the library: Map chooses
// it by how long the inputs take; MapSeq and MapUnordered, which must not keep an
// input waiting for the next, send one at a time. More than a million is ErrTooLarge.
//
// Where workers die, or some inputs take long, a chunk is no more than its inputs:
// results that are there are delivered, and what was not begun goes to other workers.
// Python: chunksize, where 0 loses all results.
func WithChunk(n int) MapOption {
	return func(o *mapOptions) { o.chunk = n }
}

// WithAllErrors makes Map go on after an error, and return what errors.Join makes of
// all of them, beside the results of the others. MapSeq and MapUnordered do so
// anyway.
func WithAllErrors() MapOption {
	return func(o *mapOptions) { o.all = true }
}

// maxAtOnce is the largest window, and the largest chunk.
const maxAtOnce = 1 << 20

func (p *Pool) mapOptions(opts []MapOption) (o mapOptions, err error) {
	for _, set := range opts {
		set(&o)
	}
	switch {
	case o.window < 0:
		err = fmt.Errorf("mp: WithWindow(%d); it cannot be negative, and 0 leaves it to the library", o.window)
	case o.chunk < 0:
		err = fmt.Errorf("mp: WithChunk(%d); it cannot be negative, and 0 leaves it to the library", o.chunk)
	case o.window > maxAtOnce:
		err = fmt.Errorf("mp: WithWindow(%d); it can be %d at most: %w", o.window, maxAtOnce, ErrTooLarge)
	case o.chunk > maxAtOnce:
		err = fmt.Errorf("mp: WithChunk(%d); it can be %d at most: %w", o.chunk, maxAtOnce, ErrTooLarge)
	}
	return o, err
}

// A feeder is what all maps have in common: it makes tasks of inputs, and hands them
// in.
type feeder[In, Out any] struct {
	f        *Func[In, Out]
	pool     *Pool
	job      job
	loader   loader[In, Out]
	spare    []*task // free for use
	together bool    // the next task's answers may come together
	fresh    []*task // loaded, not handed in
	taken    int     // inputs that were loaded
	back     int     // of those, how many came back; guarded by the ledger's mutex
}

func newFeeder[In, Out any](f *Func[In, Out], p *Pool) feeder[In, Out] {
	return feeder[In, Out]{f: f, pool: p, loader: loader[In, Out]{f: f}}
}

// load makes a task of what is in the loader.
func (m *feeder[In, Out]) load() error {
	if m.loader.count == 0 {
		return nil
	}
	t := new(task)
	if n := len(m.spare); n > 0 {
		t, m.spare = m.spare[n-1], m.spare[:n-1]
		*t = task{body: t.body}
	}
	t.job, t.first, t.together = &m.job, m.taken, m.together
	n := m.loader.count
	if err := m.loader.load(t); err != nil {
		return err
	}
	m.taken += n
	m.fresh = append(m.fresh, t)
	return nil
}

// submit hands in what was loaded. The pool is attended.
func (m *feeder[In, Out]) submit() error {
	for i, t := range m.fresh {
		m.job.bytes += t.size()
		if err := m.pool.submit(t); err != nil {
			for _, t := range m.fresh[i+1:] {
				t.release()
			}
			return err
		}
	}
	clear(m.fresh)
	m.fresh = m.fresh[:0]
	m.spare = append(m.spare, m.job.spare...)
	clear(m.job.spare)
	m.job.spare = m.job.spare[:0]
	return nil
}

// light reports whether what is under way takes so little memory that more of it
// does no harm.
func (m *feeder[In, Out]) light() bool {
	return m.job.bytes <= m.pool.places*bytesAhead
}

const (
	bytesAhead  = 1 << 20 // of arguments for each worker, so that it never waits
	inputsAhead = 256     // for each worker, where memory is no matter

	batch = 32 // tasks that are loaded before they are handed in
)

// Map has the pool run f with each of in, and returns the results in the same
// order. The first error ends it: calls that were not begun are dropped, running
// ones are cancelled; but see WithAllErrors. Python: map.
func (f *Func[In, Out]) Map(ctx context.Context, p *Pool, in []In, opts ...MapOption) ([]Out, error) {
	o, err := p.mapOptions(opts)
	if err != nil {
		return nil, err
	}
	m := &mapAll[In, Out]{feeder: newFeeder(f, p), options: o, in: in, out: make([]Out, len(in)), begin: time.Now()}
	m.job.sink = m
	p.attend()
	defer p.leave()
	defer m.end()
	err = m.run(ctx)
	if err != nil || len(m.errs) > 0 && !o.all {
		return nil, m.first(err)
	}
	return m.out, errors.Join(m.errs...)
}

// end gives up what is not done, and gives back what came and will not be decoded.
func (m *mapAll[In, Out]) end() {
	m.pool.giveUp(&m.job)
	for _, r := range m.early {
		r.close()
	}
	m.early = nil
}

// A mapAll is a Map.
type mapAll[In, Out any] struct {
	feeder[In, Out]
	options mapOptions
	in      []In
	out     []Out
	begin   time.Time

	// Guarded by the ledger's mutex.
	early []mapped[Out] // came back and not decoded
	errs  []error
}

// mapped is one result of a map.
type mapped[Out any] struct {
	index int
	arrival
	out  Out
	have bool
}

// about says which input an error is about.
func (m *mapAll[In, Out]) about(index int, err error) error {
	return fmt.Errorf("mp: map of %q, input %d: %w", m.f.name, index, err)
}

func (m *mapAll[In, Out]) first(err error) error {
	if len(m.errs) > 0 {
		return m.errs[0]
	}
	return err
}

// take is told what one input came to.
func (m *mapAll[In, Out]) take(index int, a arrival) {
	m.back += a.elements()
	if a.run > 0 {
		a.err = m.f.out.DecodeAll(a.answer, m.out[index:][:a.run])
	} else if a.err == nil && !a.holds() && m.f.out.Simple() {
		m.out[index], a.err = readAnswer(m.f.out, m.f.name, a.answer)
	} else if a.err == nil {
		m.early = append(m.early, mapped[Out]{index: index, arrival: a.keep(nil)})
	}
	if a.err != nil {
		m.errs = append(m.errs, m.about(index, a.err))
	}
}

// run feeds the pool until all is back. The pool is attended.
func (m *mapAll[In, Out]) run(ctx context.Context) error {
	for m.back < len(m.in) {
		if len(m.errs) > 0 && !m.options.all {
			return nil
		}
		if m.taken < len(m.in) && m.room() {
			if err := m.feed(); err != nil {
				return err
			}
			if err := m.submit(); err != nil {
				return err
			}
			m.pool.collect()
		} else if !m.job.news {
			if err := m.pool.await(ctx, &m.job); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		m.job.news = false
		m.decode()
	}
	return nil
}

// room reports whether more may be under way.
func (m *mapAll[In, Out]) room() bool {
	ahead := m.taken - m.back
	if m.options.window > 0 {
		return ahead < m.options.window
	}
	return ahead < 2*m.pool.places || m.light() && ahead < m.pool.places*max(inputsAhead, 4*m.chunk())
}

// chunk is how many inputs go into the next task.
func (m *mapAll[In, Out]) chunk() int {
	n := m.options.chunk
	if n == 0 && m.back > 0 {
		n = min(int(chunkTime/m.each()), maxChunk, (len(m.in)-m.taken)/(2*m.pool.places))
	}
	if m.options.window > 0 {
		n = min(n, m.options.window-(m.taken-m.back))
	}
	return max(n, 1)
}

// each is about how long an input takes. One has come back.
func (m *mapAll[In, Out]) each() time.Duration {
	return max(time.Since(m.begin)*time.Duration(m.pool.places)/time.Duration(m.back), 1)
}

const (
	chunkTime = 50 * time.Microsecond // that a task of several inputs may take
	maxChunk  = 1024
	enough    = inlineLimit / 2 // bytes of arguments in a task

	bundleTime = 5 * time.Millisecond // that answers may be kept back: Stats do not know of them
)

// feed loads some tasks. Not under the ledger's mutex: to encode may be the user's
// code.
func (m *mapAll[In, Out]) feed() error {
	n, chunk := min(batch, m.pool.places*inputsAhead), m.chunk()
	m.together = chunk > 1 && m.back > 0 && m.pool.timeout == 0 && int(bundleTime/m.each()) >= chunk
	if !m.light() || m.options.window > 0 {
		n = 1
	}
	if m.f.in.Simple() {
		m.pool.mu.Unlock()
		defer m.pool.mu.Lock()
	} else { // it may take any time, and call the pool
		m.pool.leave()
		defer m.pool.attend()
	}
	for ; n > 0 && m.taken < len(m.in); n-- {
		if err := m.fill(m.in[m.taken:min(len(m.in), m.taken+chunk)]); err != nil {
			return err
		}
		if err := m.load(); err != nil {
			return err
		}
	}
	runtime.KeepAlive(m.in)
	return nil
}

// fill puts the next task's inputs into the loader, or as many as make it long enough.
func (m *mapAll[In, Out]) fill(in []In) error {
	if m.loader.flat() {
		most := enough / max(1, m.f.in.Stride())
		m.loader.addAll(in[:min(len(in), max(1, most))])
		return nil
	}
	for i := 0; i < len(in) && len(m.loader.body) < enough; i++ {
		if err := m.loader.add(in[i]); err != nil {
			return fmt.Errorf("input %d: %w", m.taken+i, err)
		}
	}
	return nil
}

// decode decodes what came back, if that may be the user's code. More may come
// meanwhile.
func (m *mapAll[In, Out]) decode() {
	for len(m.early) > 0 {
		early := m.early
		m.early = nil
		errs := m.read(early) // and take adds to m.errs meanwhile
		m.errs = append(m.errs, errs...)
	}
}

// read decodes results without the mutex: it may take any time, and call the pool.
func (m *mapAll[In, Out]) read(early []mapped[Out]) (errs []error) {
	m.pool.leave()
	defer m.pool.attend()
	for _, r := range early {
		var err error
		if m.out[r.index], err = readAnswer(m.f.out, m.f.name, r.answer); err != nil {
			errs = append(errs, m.about(r.index, err))
		}
		r.close()
	}
	return errs
}

// MapSeq has the pool run f with each of in, and yields the results in the same
// order, each with its error. Breaking out of the loop gives up what is left.
// Python: imap.
func (f *Func[In, Out]) MapSeq(ctx context.Context, p *Pool, in iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	return f.mapLazily(ctx, p, in, opts, true)
}

// MapUnordered has the pool run f with each of in, and yields the results as they
// come, each with its error. Breaking out of the loop gives up what is left.
// Python: imap_unordered.
func (f *Func[In, Out]) MapUnordered(ctx context.Context, p *Pool, in iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	return f.mapLazily(ctx, p, in, opts, false)
}
