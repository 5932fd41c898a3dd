package shm

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A patch is bytes that somebody wrote over an arena. The fuzzer gives any number
// of them in one string: where (4 bytes), how many (1 byte), the bytes.
func patch(mem []byte, patches []byte) {
	for len(patches) > 5 {
		at := int(binary.LittleEndian.Uint32(patches)) % len(mem)
		n := min(int(patches[4]), len(patches)-5)
		copy(mem[at:], patches[5:][:n])
		patches = patches[5+n:]
	}
}

// aPatch writes a word.
func aPatch(at int, v uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(at))
	return binary.LittleEndian.AppendUint64(append(b, 8), v)
}

// patchesToBeginWith are those that a fuzzer may change.
func patchesToBeginWith() [][]byte {
	unit := headersOffset
	data := int(geometryOf(MinArena).data)
	return [][]byte{
		nil,
		aPatch(0, 1), aPatch(8, 1<<32), aPatch(16, 1<<50), aPatch(24, 0),
		aPatch(384, 1<<63), aPatch(384, ^uint64(0)), aPatch(384, 0),
		aPatch(slotsOffset, ^uint64(0)), aPatch(slotsOffset+slotSize, uint64(makeStatus(alive, 0, 9))),
		aPatch(slotsOffset+2*slotSize, uint64(makeStatus(dead, 77, 9))),
		aPatch(unit, uint64(makeState(span, classes, 1))), aPatch(unit, uint64(makeState(span, classes-1, 1))),
		aPatch(unit, uint64(makeState(tail, 1<<30, 1))), aPatch(unit+headerSize, uint64(makeState(tail, 1, 1))),
		aPatch(unit, uint64(makeState(claimed, 0, 1))), aPatch(unit, uint64(makeState(doomed, uint32(DeadOwner), 1))),
		aPatch(unit+8, ^uint64(0)), aPatch(unit+2*headerSize+8, ^uint64(0)), aPatch(unit+16, flagCarries|flagParent|flagCarried),
		aPatch(unit+24, ^uint64(0)), aPatch(unit+24, 1<<31),
		aPatch(data, ^uint64(0)), aPatch(data+64+8, ^uint64(0)), aPatch(data+64+16, uint64(KindParcel)|flagCarries),
	}
}

// furnished is an arena with what there is to damage.
func furnished(t *testing.T) (*Segment, []Ref) {
	seg, err := NewSegment(MinArena)
	require.NoError(t, err)
	t.Cleanup(func() { _ = seg.Close() })
	return seg, furnish(t, seg)
}

// Whatever is in an arena's memory, attaching to it and using it gives errors, or
// something, but not a panic, an endless loop, or an access beyond it.
func FuzzAttach(f *testing.F) {
	for _, p := range patchesToBeginWith() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		seg, refs := furnished(t)
		patch(seg.Bytes(), patches)
		if check(seg) != nil {
			return
		}
		use(fake(seg, 1), refs, func() { patch(seg.Bytes(), patches) })
	})
}

// The same with a process that really joins: with a guardian, which walks through the
// tables by itself, and looks for the dead there.
func FuzzJoin(f *testing.F) {
	for _, p := range patchesToBeginWith() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		seg, refs := furnished(t)
		a, self := fake(seg, 1), makeIncarnation(3, 1)
		a.slots[self.Slot()].status.Store(uint64(makeStatus(reserved, a.self, self.Generation())))
		patch(seg.Bytes(), patches)
		p := startPart(t, a, part{self, "usual", wreckerRole, nameRefs(refs)})
		for said, ok := p.next(); ok; said, ok = p.next() {
			t.Log(said)
		}
		select {
		case exit := <-p.done:
			p.done <- exit
			require.Zero(t, exit.Code, exit)
			require.Zero(t, exit.Signal, exit)
		case <-time.After(time.Minute):
			t.Fatal("it hangs")
		}
	})
}

// wreckerRole is that of a child that joins an arena which may be damaged, and uses it.
const wreckerRole = "wrecker"

// wreck is what it does.
func wreck(f *os.File, self Incarnation, names string) error {
	a, err := Attach(f, self)
	if err != nil {
		return err
	}
	refs, err := refsNamed(names)
	if err == nil {
		use(a, refs, func() {})
	}
	return err
}

func nameRefs(refs []Ref) string {
	var b []byte
	for _, r := range refs {
		b, _ = r.AppendBinary(b)
	}
	return hex.EncodeToString(b)
}

func refsNamed(names string) (refs []Ref, err error) {
	b, err := hex.DecodeString(names)
	for ; len(b) >= RefSize && err == nil; b = b[RefSize:] {
		var r Ref
		err = r.UnmarshalBinary(b[:RefSize])
		refs = append(refs, r)
	}
	return refs, err
}

// fake is a process without a guardian, so that its memory can be unmapped.
func fake(seg *Segment, at int) *Arena {
	a := view(seg)
	a.id = a.head.id
	a.self = makeIncarnation(at, 1)
	a.slots[at].status.Store(uint64(makeStatus(alive, Nobody, 1)))
	return a
}

// furnish makes an arena with some of everything.
func furnish(t testing.TB, seg *Segment) (refs []Ref) {
	a := view(seg)
	a.writeHeader(7)
	a = fake(seg, 0)
	for _, n := range []int{8, 200, 17 << 10, big} {
		o, err := a.New(testKind, 0, n)
		require.NoError(t, err)
		p, err := a.NewParcel([]Ref{o.Ref()}, n)
		require.NoError(t, err)
		refs = append(refs, o.Ref(), p.Ref())
	}
	q, err := a.New(testQueue, 0, 64)
	require.NoError(t, err)
	p, err := a.NewParcel(refs, 8)
	require.NoError(t, err)
	p.Enclose(q, 0)
	return append(refs, q.Ref(), p.Ref())
}

// use does everything that can be done with an arena, and has it damaged once
// more in between.
func use(a *Arena, refs []Ref, damage func()) {
	var mine []*Object
	for i, r := range refs {
		for _, kind := range []Kind{testKind, KindParcel, testQueue} {
			if o, err := a.Open(r, kind, 0); err == nil {
				_ = o.Kept()
				_, _ = o.Payload()
				mine = append(mine, o)
			}
		}
		if o, err := a.New(testKind, 0, 1<<(2*i)); err == nil {
			o.Bytes()[0]++
			mine = append(mine, o)
		}
		if p, err := a.NewParcel(refs[i:], 8); err == nil {
			p.Address(makeIncarnation(i, 1))
			mine = append(mine, p)
		}
	}
	_, _ = a.Reserve()
	damage()
	for i := range a.slots {
		_ = a.Alive(makeIncarnation(i, 1))
		a.declare(a.self + 1)
	}
	_ = a.undertake()
	a.sweep([]Incarnation{makeIncarnation(0, 1), makeIncarnation(3, 1)})
	_, _ = a.Stats(), a.Processes()
	a.DropUndelivered(makeIncarnation(0, 1))
	damage()
	for _, o := range mine {
		_ = o.Kept()
		o.Close()
	}
	a.sweep([]Incarnation{a.self})
}

// The same with many random patches, in the normal run.
func TestRandomDamageIsHarmless(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		seg, err := NewSegment(MinArena)
		require.NoError(t, err)
		refs := furnish(t, seg)
		var patches []byte
		for range 1 + rng.IntN(30) {
			at := rng.IntN(slotsOffset + 4*slotSize)
			switch rng.IntN(4) {
			case 0:
				at = headersOffset + rng.IntN(8*headerSize)
			case 1:
				at = int(geometryOf(MinArena).data) + rng.IntN(3*unitSize)
			case 2:
				at = 32 + rng.IntN(slotsOffset+4*slotSize) // not what check sees
			}
			v := rng.Uint64() >> rng.IntN(64)
			if rng.IntN(3) == 0 {
				v = uint64(makeState(phase(rng.IntN(8)), rng.Uint32N(20), 1+rng.Uint32N(3)))
			}
			patches = append(patches, aPatch(at&^7, v)...)
		}
		patch(seg.Bytes(), patches)
		if check(seg) == nil {
			use(fake(seg, 1), refs, func() { patch(seg.Bytes(), patches) })
		}
		require.NoError(t, seg.Close())
	}
}

// Attach itself refuses what is no arena, or none of this program's.
func TestAttachRefusesWhatIsNoArena(t *testing.T) {
	for name, p := range map[string][]byte{
		"no magic":      aPatch(0, 0),
		"other version": aPatch(8, layoutVersion+1),
		"other order":   aPatch(8, uint64(layoutVersion)|0x04030201<<32),
		"other size":    aPatch(16, MinArena+pageSize),
		"other word":    aPatch(24, 7|4<<32),
	} {
		seg, err := NewSegment(MinArena)
		require.NoError(t, err)
		furnish(t, seg)
		patch(seg.Bytes(), p)
		_, err = Attach(seg.File(), makeIncarnation(1, 1))
		require.Error(t, err, name)
	}
	for _, size := range []int64{pageSize, MinArena - pageSize, MinArena + 1} {
		seg, err := NewSegment(size)
		require.NoError(t, err)
		_, err = Attach(seg.File(), makeIncarnation(1, 1))
		require.ErrorIs(t, err, ErrDamaged)
	}
	a := newArena(t, MinArena)
	for _, i := range []Incarnation{Nobody, DeadOwner, 1 << 31, makeIncarnation(4, 1)} {
		_, err := Attach(a.File(), i)
		require.Error(t, err, i)
	}
}
