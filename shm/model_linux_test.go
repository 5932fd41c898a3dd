package shm

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// An arena beside a plain model of it: three processes make, open, send and close
// blocks, and two of them die and are followed by others. After each step those
// blocks are there that somebody needs, with what was written into them, and no
// others. rapid shrinks what fails.

// A modelBlock is a block in the model.
type modelBlock struct {
	ref     Ref
	kind    Kind
	stamp   byte // in all of its bytes, or in its payload's
	holds   [3][]*Object
	to      int // the process that it is addressed to, or nobody
	carries []*modelBlock
	tied    *modelBlock // that it is tied to, or nil
}

const nobody = -1

type arenaModel struct {
	views  [3]*Arena
	lives  [3]uint32 // generations
	all    []*modelBlock
	stamps byte
}

func TestArenaIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seg, err := NewSegment(4 << 20)
		require.NoError(rt, err)
		defer func() { _ = seg.Close() }()
		view(seg).writeHeader(7)
		m := &arenaModel{}
		for i := range m.views {
			m.join(seg, i)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"New": m.makes, "NewParcel": m.makesParcel, "Open": m.opens, "Close": m.closes, "Address": m.addresses,
			"Tie": m.ties, "Untie": m.unties, "OpenTied": m.opensTied,
			"death": func(t *rapid.T) { m.dies(seg, rapid.IntRange(1, 2).Draw(t, "who")) },
			"":      m.check,
		})
	})
}

// join begins another process.
func (m *arenaModel) join(seg *Segment, at int) {
	a := view(seg)
	m.lives[at]++
	a.id = a.head.id
	a.self = makeIncarnation(at, m.lives[at])
	a.slots[at].status.Store(uint64(makeStatus(alive, Nobody, m.lives[at])))
	m.views[at] = a
}

func (m *arenaModel) who(t *rapid.T) int { return rapid.IntRange(0, 2).Draw(t, "who") }

// some draws a block that the process holds, or with nobody any block.
func (m *arenaModel) some(t *rapid.T, who int) *modelBlock {
	var those []*modelBlock
	for _, b := range m.all {
		if who == nobody || len(b.holds[who]) > 0 {
			those = append(those, b)
		}
	}
	if len(those) == 0 {
		t.Skip()
	}
	return those[rapid.IntRange(0, len(those)-1).Draw(t, "block")]
}

// needed are the blocks that there must be.
func (m *arenaModel) needed() map[*modelBlock]bool {
	found := make(map[*modelBlock]bool)
	var need func(b *modelBlock)
	need = func(b *modelBlock) {
		if !found[b] {
			found[b] = true
			for _, c := range b.carries {
				need(c)
			}
			for _, c := range m.all {
				if c.tied == b {
					need(c)
				}
			}
		}
	}
	for _, b := range m.all {
		if b.to != nobody || len(b.holds[0])+len(b.holds[1])+len(b.holds[2]) > 0 {
			need(b)
		}
	}
	return found
}

// add notes a new block, and fills it.
func (m *arenaModel) add(who int, b *modelBlock, o *Object, room []byte) {
	m.stamps++
	b.ref, b.stamp, b.to = o.Ref(), m.stamps, nobody
	b.holds[who] = []*Object{o}
	for i := range room {
		room[i] = b.stamp
	}
	m.all = append(m.all, b)
}

func (m *arenaModel) makes(t *rapid.T) {
	i, n := m.who(t), rapid.SampledFrom([]int{1, 64, 65, 1000, 16 << 10, 16<<10 + 1, 64 << 10, 150_000}).Draw(t, "bytes")
	o, err := m.views[i].New(testKind, 0, n)
	require.NoError(t, err)
	for _, b := range o.Bytes() {
		require.Zero(t, b)
	}
	m.add(i, &modelBlock{kind: testKind}, o, o.Bytes())
}

func (m *arenaModel) makesParcel(t *rapid.T) {
	i, b := m.who(t), &modelBlock{kind: KindParcel}
	var refs []Ref
	for range rapid.IntRange(0, 3).Draw(t, "contents") {
		c := m.some(t, i)
		b.carries = append(b.carries, c)
		refs = append(refs, c.ref)
	}
	o, err := m.views[i].NewParcel(refs, 10)
	require.NoError(t, err)
	room, err := o.Payload()
	require.NoError(t, err)
	m.add(i, b, o, room)
}

// opens opens any block that there was ever. To open what was addressed to the
// process is to hold it instead.
func (m *arenaModel) opens(t *rapid.T) {
	i, b := m.who(t), m.some(t, nobody)
	o, err := m.views[i].Open(b.ref, b.kind, 0)
	if !m.needed()[b] {
		require.ErrorIs(t, err, ErrClosed)
		return
	}
	require.NoError(t, err)
	b.holds[i] = append(b.holds[i], o)
	if b.to == i {
		b.to = nobody
	}
}

func (m *arenaModel) closes(t *rapid.T) {
	i := m.who(t)
	b := m.some(t, i)
	b.holds[i][0].Close()
	b.holds[i] = b.holds[i][1:]
}

// addresses sends a parcel that was not sent before.
func (m *arenaModel) addresses(t *rapid.T) {
	i, to := m.who(t), m.who(t)
	b := m.some(t, i)
	if b.kind != KindParcel || b.to != nobody || len(b.holds[to]) > 0 {
		t.Skip()
	}
	require.True(t, b.holds[i][0].Address(m.views[to].self))
	b.to = to
}

// ties ties a block to another one, or to none if that has one already.
func (m *arenaModel) ties(t *rapid.T) {
	i := m.who(t)
	parent, b := m.some(t, i), m.some(t, i)
	if parent.tied != nil || parent.kind == KindParcel || b.kind == KindParcel || m.isParent(b) {
		t.Skip() // what is tied in a circle stays for ever
	}
	if b == parent {
		t.Skip()
	}
	can := b.tied == nil || !m.needed()[b.tied]
	require.Equal(t, can, parent.holds[i][0].Tie(b.ref))
	if can {
		b.tied = parent
	}
}

func (m *arenaModel) isParent(b *modelBlock) bool {
	return slices.ContainsFunc(m.all, func(c *modelBlock) bool { return c.tied == b })
}

func (m *arenaModel) unties(t *rapid.T) {
	i := m.who(t)
	parent, b := m.some(t, i), m.some(t, i)
	parent.holds[i][0].Untie(b.ref)
	if b.tied == parent {
		b.tied = nil
	}
}

// opensTied opens one of the blocks that are tied to one that the process holds.
func (m *arenaModel) opensTied(t *rapid.T) {
	i := m.who(t)
	parent := m.some(t, i)
	for _, b := range m.all {
		if b.tied == parent {
			o, err := parent.holds[i][0].OpenTied(b.ref)
			require.NoError(t, err)
			b.holds[i], b.tied = append(b.holds[i], o), nil
			return
		}
	}
	t.Skip()
}

func (m *arenaModel) dies(seg *Segment, i int) {
	m.views[0].Bury(m.views[i].self)
	for _, b := range m.all {
		b.holds[i] = nil
		if b.to == i {
			b.to = nobody
		}
	}
	m.join(seg, i)
}

func (m *arenaModel) check(t *rapid.T) {
	needed := m.needed()
	require.Equal(t, len(needed), m.views[0].Stats().Blocks)
	for b := range needed {
		for _, holds := range b.holds {
			for _, o := range holds {
				room := o.Bytes()
				if b.kind == KindParcel {
					room, _ = o.Payload()
				}
				require.Equal(t, b.stamp, room[0])
				require.Equal(t, b.stamp, room[len(room)-1])
			}
		}
	}
}
