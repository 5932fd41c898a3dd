package mp

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Objects beside plain models of them: whatever does not wait, in any order, has the
// result and the error that the model says. rapid shrinks what fails. -rapid.checks
// and -rapid.steps say how much is tried; the same for locks, with processes that
// die, is in ipc.

// actions are what a model does, by name; that without one follows each.
type actions = map[string]func(*rapid.T)

func TestValueIsLikeItsModel(t *testing.T) {
	endEmpty(t)
	t.Run("of one byte", func(t *testing.T) { testValueModel(t, rapid.Uint8()) })
	t.Run("of one word", func(t *testing.T) { testValueModel(t, rapid.Int64()) })
	t.Run("of many words", func(t *testing.T) {
		testValueModel(t, rapid.Custom(func(t *rapid.T) (v [5]int32) {
			for i := range v {
				v[i] = rapid.Int32Range(0, 2).Draw(t, "part")
			}
			return v
		}))
	})
}

func testValueModel[T comparable](t *testing.T, draw *rapid.Generator[T]) {
	rapid.Check(t, func(rt *rapid.T) {
		model := draw.Draw(rt, "first")
		v, err := NewValue(model)
		require.NoError(rt, err)
		freed := false
		may := func(t *rapid.T, err error, change func()) {
			if freed {
				require.ErrorIs(t, err, ErrClosed)
				return
			}
			require.NoError(t, err)
			change()
		}
		rt.Repeat(actions{
			"Store": func(t *rapid.T) {
				n := draw.Draw(t, "value")
				may(t, v.Store(n), func() { model = n })
			},
			"Swap": func(t *rapid.T) {
				n := draw.Draw(t, "value")
				old, err := v.Swap(n)
				may(t, err, func() { require.Equal(t, model, old); model = n })
			},
			"CompareAndSwap": func(t *rapid.T) {
				old, n := draw.Draw(t, "old"), draw.Draw(t, "new")
				if rapid.Bool().Draw(t, "as it is") {
					old = model
				}
				ok, err := v.CompareAndSwap(old, n)
				may(t, err, func() {
					if require.Equal(t, old == model, ok); ok {
						model = n
					}
				})
			},
			"Update": func(t *rapid.T) {
				n := draw.Draw(t, "value")
				err := v.Update(t.Context(), func(p *T) { require.Equal(t, model, *p); *p = n })
				may(t, err, func() { model = n })
			},
			"Free": func(t *rapid.T) {
				if !freed && rapid.IntRange(0, 9).Draw(t, "free") == 0 {
					require.NoError(t, v.Free())
					freed = true
				}
			},
			"": func(t *rapid.T) {
				want := model
				if freed {
					want = *new(T)
				}
				require.Equal(t, want, v.Load())
			},
		})
		if !freed {
			require.NoError(rt, v.Free())
		}
	})
}

func TestArrayIsLikeItsModel(t *testing.T) {
	endEmpty(t)
	t.Run("of bytes", func(t *testing.T) { testArrayModel(t, rapid.Uint8()) })
	t.Run("of half words", func(t *testing.T) { testArrayModel(t, rapid.Int16()) })
	t.Run("of words", func(t *testing.T) { testArrayModel(t, rapid.Int64()) })
}

func testArrayModel[T Integer](t *testing.T, draw *rapid.Generator[T]) {
	rapid.Check(t, func(rt *rapid.T) {
		model := make([]T, rapid.IntRange(1, 20).Draw(rt, "length"))
		a, err := NewArray[T](len(model))
		require.NoError(rt, err)
		index := func(t *rapid.T) int { return rapid.IntRange(0, len(model)-1).Draw(t, "index") }
		rt.Repeat(actions{
			"Set": func(t *rapid.T) {
				i, v := index(t), draw.Draw(t, "value")
				a.Set(i, v)
				model[i] = v
			},
			"AddAt": func(t *rapid.T) {
				i, v := index(t), draw.Draw(t, "value")
				model[i] += v
				require.Equal(t, model[i], AddAt(a, i, v))
			},
			"Update": func(t *rapid.T) {
				require.NoError(t, a.Update(t.Context(), func(all []T) { slices.Reverse(all) }))
				slices.Reverse(model)
			},
			"out of range": func(t *rapid.T) { require.Panics(t, func() { a.At(len(model)) }) },
			"": func(t *rapid.T) {
				require.Equal(t, model, a.Slice())
				require.Equal(t, model[0], a.At(0))
			},
		})
		require.NoError(rt, a.Free())
	})
}

// A queuedMessage is a message of a queue in its model.
type queuedMessage struct {
	content  []byte
	attempts int
}

// A modelledQueue is a queue of bytes in one process, with all that a queue has.
type modelledQueue struct {
	*Queue[[]byte]
	dead     *Queue[[]byte]
	most     int // attempts
	capacity int // 0 for one that grows
	content  []*queuedMessage
	returned []*queuedMessage
	lent     map[*Delivery[[]byte]]*queuedMessage
	loans    []*Loaned[byte]
	borrowed []*Borrowed[byte]
	letters  [][]byte // dead ones
	closed   bool
	next     byte
}

const modelLeases = 3

// drawContent draws a message that lies in its cell, in a block, or in one that is
// kept for others, unlike all others.
func (m *modelledQueue) drawContent(t *rapid.T) []byte {
	m.next++
	return bytes.Repeat([]byte{m.next}, rapid.SampledFrom([]int{1, 1, 20, 100, minSpare, 2 * minSpare}).Draw(t, "length"))
}

func TestQueueIsLikeItsModel(t *testing.T) {
	endEmpty(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := newModelledQueue(rt)
		rt.Repeat(actions{
			"TryPut": m.put, "PutBatch": m.putBatch, "TryPublish": m.publish, "Discard": m.discard,
			"TryGet": m.get, "TryGetBatch": m.getBatch, "TryBorrow": m.borrow, "Release": m.release,
			"TryReceive": m.receive, "Ack": m.ack, "Nack": m.nack,
			"Close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "close") == 0 {
					require.NoError(t, m.Close())
					m.closed = true
				}
			},
			"": m.check,
		})
		m.end(rt)
	})
}

func newModelledQueue(t *rapid.T) *modelledQueue {
	m := &modelledQueue{lent: make(map[*Delivery[[]byte]]*queuedMessage)}
	m.capacity = rapid.SampledFrom([]int{0, 1, 2, 3, 5}).Draw(t, "capacity")
	m.most = rapid.IntRange(1, 3).Draw(t, "attempts")
	var err error
	m.dead, err = NewQueue[[]byte](0)
	require.NoError(t, err)
	m.Queue, err = NewQueue[[]byte](m.capacity, WithInline(40), WithMaxAttempts(m.most, m.dead), WithMaxLeases(modelLeases))
	require.NoError(t, err)
	return m
}

// room is why nothing can be put, nil if it can.
func (m *modelledQueue) room() error {
	switch {
	case m.closed:
		return ErrClosed
	case m.capacity > 0 && len(m.content) >= m.capacity:
		return ErrFull
	}
	return nil
}

func (m *modelledQueue) add(content []byte) {
	m.content = append(m.content, &queuedMessage{content: content})
}

func (m *modelledQueue) put(t *rapid.T) {
	b, want := m.drawContent(t), m.room()
	if require.ErrorIs(t, m.TryPut(b), want); want == nil {
		m.add(b)
	}
}

// putBatch puts as many as there is room for.
func (m *modelledQueue) putBatch(t *rapid.T) {
	n := rapid.IntRange(0, 3).Draw(t, "messages")
	if m.capacity > 0 {
		n = min(n, m.capacity-len(m.content))
	}
	if m.closed || n <= 0 {
		t.Skip()
	}
	var batch [][]byte
	for range n {
		batch = append(batch, m.drawContent(t))
		m.add(batch[len(batch)-1])
	}
	put, err := m.PutBatch(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, n, put)
}

func (m *modelledQueue) publish(t *rapid.T) {
	b := m.drawContent(t)
	l, err := Loan(m.Queue, len(b))
	require.NoError(t, err)
	copy(l.Slice(), b)
	want := m.room()
	require.ErrorIs(t, l.TryPublish(), want)
	if want != nil {
		m.loans = append(m.loans, l)
		return
	}
	require.ErrorIs(t, l.TryPublish(), ErrClosed)
	m.add(b)
}

func (m *modelledQueue) discard(t *rapid.T) {
	for _, l := range m.loans {
		l.Discard()
		l.Discard()
	}
	m.loans = nil
}

// take finds what was taken: one that was returned, if there is any, else the first.
func (m *modelledQueue) take(t *rapid.T, got []byte, err error) *queuedMessage {
	if len(m.returned)+len(m.content) == 0 {
		require.ErrorIs(t, err, m.empty())
		return nil
	}
	require.NoError(t, err)
	if len(m.returned) == 0 {
		first := m.content[0]
		m.content = m.content[1:]
		require.Equal(t, first.content, got)
		return first
	}
	i := slices.IndexFunc(m.returned, func(q *queuedMessage) bool { return bytes.Equal(q.content, got) })
	require.GreaterOrEqual(t, i, 0, "what was returned comes first")
	again := m.returned[i]
	m.returned = slices.Delete(m.returned, i, i+1)
	return again
}

// empty is why there is no message.
func (m *modelledQueue) empty() error {
	if m.closed {
		return ErrClosed
	}
	return ErrEmpty
}

func (m *modelledQueue) get(t *rapid.T) {
	b, err := m.TryGet()
	m.take(t, b, err)
}

func (m *modelledQueue) getBatch(t *rapid.T) {
	into := make([][]byte, rapid.IntRange(1, 4).Draw(t, "at most"))
	n, err := m.TryGetBatch(into)
	if n == 0 {
		m.take(t, nil, err)
		return
	}
	require.NoError(t, err)
	for _, b := range into[:n] {
		m.take(t, b, nil)
	}
}

func (m *modelledQueue) borrow(t *rapid.T) {
	b, err := TryBorrow(m.Queue)
	if err != nil {
		m.take(t, nil, err)
		return
	}
	m.take(t, b.Slice(), nil)
	m.borrowed = append(m.borrowed, b)
}

func (m *modelledQueue) release(t *rapid.T) {
	for _, b := range m.borrowed {
		b.Release()
		b.Release()
	}
	m.borrowed = nil
}

func (m *modelledQueue) receive(t *rapid.T) {
	if len(m.lent)+len(m.returned) >= modelLeases {
		t.Skip() // it depends on which it finds
	}
	d, err := m.TryReceive()
	if err != nil {
		m.take(t, nil, err)
		return
	}
	q := m.take(t, d.Value, nil)
	q.attempts++
	require.Equal(t, q.attempts, d.Attempt)
	m.lent[d] = q
}

// anyLent draws a delivery.
func (m *modelledQueue) anyLent(t *rapid.T) (*Delivery[[]byte], *queuedMessage) {
	var all []*Delivery[[]byte]
	for d := range m.lent {
		all = append(all, d)
	}
	if len(all) == 0 {
		t.Skip()
	}
	slices.SortFunc(all, func(a, b *Delivery[[]byte]) int { return bytes.Compare(a.Value, b.Value) })
	d := all[rapid.IntRange(0, len(all)-1).Draw(t, "delivery")]
	q := m.lent[d]
	delete(m.lent, d)
	return d, q
}

func (m *modelledQueue) ack(t *rapid.T) {
	d, _ := m.anyLent(t)
	require.NoError(t, d.Ack())
	require.ErrorIs(t, d.Nack(0), ErrNotLeased)
}

// nack returns a message. One that was delivered as often as may be is a dead letter
// from then on.
func (m *modelledQueue) nack(t *rapid.T) {
	d, q := m.anyLent(t)
	require.NoError(t, d.Nack(0))
	require.ErrorIs(t, d.Ack(), ErrNotLeased)
	if q.attempts >= m.most {
		m.letters = append(m.letters, q.content)
	} else {
		m.returned = append(m.returned, q)
	}
}

func (m *modelledQueue) check(t *rapid.T) {
	require.Equal(t, len(m.letters), m.dead.Len())
	require.Equal(t, m.capacity, m.Cap())
	require.Equal(t, len(m.content)+len(m.returned), m.Len())
}

// end gets what is left. Nothing is lost, and no memory.
func (m *modelledQueue) end(t *rapid.T) {
	for d := range m.lent {
		require.NoError(t, d.Ack())
	}
	m.lent = nil
	for len(m.returned)+len(m.content) > 0 {
		b, err := m.TryGet()
		m.take(t, b, err)
	}
	m.discard(t)
	m.release(t)
	for range m.letters {
		b, err := m.dead.TryGet()
		require.NoError(t, err)
		require.Contains(t, m.letters, b)
	}
	require.Zero(t, m.dead.Len())
	giveBack(t, []freer{m.Queue, m.dead})
}

// Messages of any length go through a pipe in order, and what is full is not empty.
func TestPipeIsLikeItsModel(t *testing.T) {
	endEmpty(t)
	rapid.Check(t, func(rt *rapid.T) {
		var ends [2]*Conn[[]byte]
		var err error
		ends[0], ends[1], err = NewPipe[[]byte](WithPipeCapacity(256), WithMessageLimit(1000))
		require.NoError(rt, err)
		var under [2][][]byte // way to the end
		var closed [2]bool    // for sending
		fill := byte(0)
		draw := func(t *rapid.T) int { return rapid.IntRange(0, 1).Draw(t, "end") }
		rt.Repeat(actions{
			"TrySend": func(t *rapid.T) {
				i, n := draw(t), rapid.SampledFrom([]int{0, 1, 16, 50, 111, 112, 300, 999, 1000}).Draw(t, "length")
				fill++
				b := bytes.Repeat([]byte{fill}, n)
				switch err := ends[i].TrySend(b); {
				case n >= 1000: // one byte more, encoded
					require.ErrorIs(t, err, ErrTooLarge)
				case closed[i]:
					require.ErrorIs(t, err, ErrClosed)
				case err != nil:
					require.ErrorIs(t, err, ErrFull)
					require.NotEmpty(t, under[1-i])
				default:
					under[1-i] = append(under[1-i], b)
				}
			},
			"TryRecv": func(t *rapid.T) {
				i := draw(t)
				b, err := ends[i].TryRecv()
				switch {
				case len(under[i]) > 0:
					require.NoError(t, err)
					require.Equal(t, under[i][0], b)
					under[i] = under[i][1:]
				case closed[1-i]:
					require.ErrorIs(t, err, io.EOF)
				default:
					require.ErrorIs(t, err, ErrEmpty)
				}
			},
			"CloseSend": func(t *rapid.T) {
				if i := draw(t); rapid.IntRange(0, 9).Draw(t, "close") == 0 && !closed[i] {
					require.NoError(t, ends[i].CloseSend())
					closed[i] = true
				}
			},
			"move": func(t *rapid.T) { i := draw(t); ends[i] = moved(t, ends[i]) },
			"": func(t *rapid.T) {
				i := draw(t)
				require.Equal(t, len(under[i]) > 0 || closed[1-i], ends[i].Ready())
			},
		})
		require.NoError(rt, errors.Join(ends[0].Close(), ends[1].Close()))
	})
}

// moved sends an end through a queue.
func moved(t *rapid.T, end *Conn[[]byte]) *Conn[[]byte] {
	q, err := NewQueue[*Conn[[]byte]](1)
	require.NoError(t, err)
	require.NoError(t, q.TryPut(end))
	require.ErrorIs(t, end.TrySend(nil), ErrMoved)
	got, err := q.TryGet()
	require.NoError(t, err)
	require.NoError(t, q.Free())
	return got
}

// The bytes of a stream come in order, however they are cut.
func TestStreamIsLikeItsModel(t *testing.T) {
	endEmpty(t)
	rapid.Check(t, func(rt *rapid.T) {
		a, b, err := NewPipe[[]byte](WithPipeCapacity(256))
		require.NoError(rt, err)
		w, r := NewStream(a), NewStream(b)
		var under []byte
		next := byte(0)
		pieces := 0 // since it was empty: so few that there is room
		rt.Repeat(actions{
			"Write": func(t *rapid.T) {
				if pieces++; pieces > 3 {
					t.Skip()
				}
				p := make([]byte, rapid.IntRange(0, 30).Draw(t, "bytes"))
				for i := range p {
					next++
					p[i] = next
				}
				n, err := w.Write(p)
				require.NoError(t, err)
				require.Equal(t, len(p), n)
				under = append(under, p...)
			},
			"Read": func(t *rapid.T) {
				p := make([]byte, rapid.IntRange(1, 300).Draw(t, "at most"))
				if len(under) == 0 {
					t.Skip()
				}
				n, err := r.Read(p)
				require.NoError(t, err)
				require.Equal(t, under[:n], p[:n])
				if under = under[n:]; len(under) == 0 {
					pieces = 0
				}
			},
		})
		require.NoError(rt, w.Close())
		rest, err := io.ReadAll(r)
		require.NoError(rt, err)
		require.Equal(rt, len(under), len(rest))
		require.NoError(rt, r.Close())
	})
}
