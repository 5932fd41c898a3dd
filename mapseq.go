package mp

import (
	"context"
	"fmt"
	"iter"
	"runtime"
)

// mapLazily is MapSeq and MapUnordered: one goroutine, the caller's, that pulls an
// input, hands it in, yields what is there, and waits only when the window is full.
func (f *Func[In, Out]) mapLazily(ctx context.Context, p *Pool, in iter.Seq[In], opts []MapOption, ordered bool) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		var none Out
		o, err := p.mapOptions(opts)
		if err != nil {
			yield(none, err)
			return
		}
		m := &mapSeq[In, Out]{feeder: newFeeder(f, p), ordered: ordered, window: o.window, chunk: max(o.chunk, 1)}
		if m.window == 0 {
			m.window = min(max(lazyAhead, 2*m.chunk)*p.Workers(), maxAtOnce)
		}
		m.chunk = min(m.chunk, m.window)
		m.job.sink = m
		m.slots = make([]mapped[Out], m.window)
		defer m.end() // also if the sequence of inputs or the loop's body panics
		for v := range in {
			m.add(v)
			for m.full() {
				if !m.wait(ctx) || !m.flush(yield) {
					return
				}
			}
			if m.arrived() && !m.flush(yield) {
				return
			}
		}
		m.hand()
		for m.yielded < m.taken {
			if !m.wait(ctx) || !m.flush(yield) {
				return
			}
		}
	}
}

// lazyAhead is the window for each worker if none was asked for.
const lazyAhead = 64

// A mapSeq is a MapSeq or MapUnordered.
type mapSeq[In, Out any] struct {
	feeder[In, Out]
	ordered       bool
	window, chunk int
	yielded       int // results handed out

	// Guarded by the ledger's mutex: results that are there. In order, that of input i
	// is in slot i modulo the window; else the first there of them are.
	slots []mapped[Out]
	there int

	ready []mapped[Out] // taken out of slots, to be yielded
}

// end gives up what is left.
func (m *mapSeq[In, Out]) end() {
	m.pool.attend()
	defer m.pool.leave()
	m.pool.giveUp(&m.job)
	for i := range m.slots {
		m.slots[i].close()
	}
	for i := range m.ready {
		m.ready[i].close()
	}
}

// take is told what one input came to.
func (m *mapSeq[In, Out]) take(index int, a arrival) {
	m.back++
	r := mapped[Out]{index: index, have: true}
	if a.err == nil && !a.holds() && m.f.out.Simple() {
		r.out, r.err = readAnswer(m.f.out, m.f.name, a.answer)
	} else {
		r.arrival = a.keep(nil)
	}
	m.put(r)
}

// put notes a result.
func (m *mapSeq[In, Out]) put(r mapped[Out]) {
	if m.ordered {
		m.slots[r.index%m.window] = r
	} else {
		m.slots[m.there] = r
	}
	m.there++
}

// add encodes one input and, if it makes a chunk full, hands it in.
func (m *mapSeq[In, Out]) add(v In) {
	if err := m.loader.add(v); err != nil {
		m.hand()
		m.refuse(1, err)
		return
	}
	runtime.KeepAlive(v)
	if m.loader.count == m.chunk {
		m.hand()
	}
}

// refuse makes err the result of the next n inputs.
func (m *mapSeq[In, Out]) refuse(n int, err error) {
	m.pool.attend()
	defer m.pool.leave()
	for range n {
		m.put(mapped[Out]{index: m.taken, have: true, arrival: arrival{err: err}})
		m.taken++
		m.back++
	}
	m.job.news = true
}

// hand hands in what is loaded.
func (m *mapSeq[In, Out]) hand() {
	n, first := m.loader.count, m.taken
	err := m.load()
	if err == nil && len(m.fresh) > 0 {
		m.pool.attend()
		err = m.submit()
		m.pool.collect()
		m.pool.leave()
	}
	if err != nil {
		m.fresh, m.taken = nil, first
		m.refuse(n, err)
	}
}

// full reports whether no more input may be taken.
func (m *mapSeq[In, Out]) full() bool {
	under := m.taken + m.loader.count - m.yielded
	if under >= m.window {
		return true
	}
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	return under >= 2*m.pool.places && !m.light()
}

// arrived reports whether there is a result to yield.
func (m *mapSeq[In, Out]) arrived() bool {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.fetch()
	return len(m.ready) > 0
}

// wait waits until there is a result to yield. It reports false when there is no more
// to come.
func (m *mapSeq[In, Out]) wait(ctx context.Context) bool {
	m.hand()
	m.pool.attend()
	defer m.pool.leave()
	for m.fetch(); len(m.ready) == 0 && m.yielded < m.taken; m.fetch() {
		if err := m.pool.await(ctx, &m.job); err != nil {
			m.pool.giveUp(&m.job)
			m.cutOff(err)
			return true
		}
	}
	return len(m.ready) > 0
}

// cutOff makes err the last result.
func (m *mapSeq[In, Out]) cutOff(err error) {
	m.ready = append(m.ready, mapped[Out]{arrival: arrival{err: fmt.Errorf("mp: map of %q: %w", m.f.name, err)}})
	m.taken = m.yielded + 1
}

// fetch takes what can be yielded out of the slots. The ledger's mutex is held.
func (m *mapSeq[In, Out]) fetch() {
	m.job.news = false
	if !m.ordered {
		m.ready = append(m.ready, m.slots[:m.there]...)
		clear(m.slots[:m.there])
		m.there = 0
		return
	}
	for m.there > 0 {
		slot := &m.slots[(m.yielded+len(m.ready))%m.window]
		if !slot.have {
			return
		}
		m.ready = append(m.ready, *slot)
		*slot = mapped[Out]{}
		m.there--
	}
}

// flush yields what was fetched, and reports whether more is wanted.
func (m *mapSeq[In, Out]) flush(yield func(Out, error) bool) bool {
	for i := range m.ready {
		r := &m.ready[i]
		if r.err == nil && r.answer != nil {
			r.out, r.err = readAnswer(m.f.out, m.f.name, r.answer)
			r.close()
		}
		m.yielded++
		out, err := r.out, r.err
		*r = mapped[Out]{}
		if !yield(out, err) {
			return false
		}
	}
	m.ready = m.ready[:0]
	return true
}
