package shm

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/testkit"
)

// An exploration runs several processes in one: each is an Arena of its own over
// the same memory, and a goroutine that does random things with it. One of them
// runs at a time; before a store or a look at shared memory another may be let
// run instead, or the one be killed. So what takes real processes an hour of bad
// luck happens here many times a second, and happens again with the same seed.
//
// The rules that must hold: what a process holds does not change under it; what
// was announced is there, with all it lists; a Ref reaches the block it was made
// for or nothing; and when the dead are buried and the living have let go of
// everything, the arena is as empty as a new one.
type exploration struct {
	broken  []string
	rng     *rand.Rand
	actors  []*actor
	current *actor
	quantum int // until the next switch
	kills   int // left
	sizes   []int
	blocks  int // how many are made at most, that are not parcels
	yielded chan bool

	ids   map[Ref]uint64 // what was written to each block when it was made
	known []Ref
	cells [4]Ref // of the parcels in the queue's cells
}

// An actor is one of the processes.
type actor struct {
	*Arena
	x      *exploration
	wake   chan bool // false: you are killed
	over   bool
	killed bool

	mine []*Object
	mail []announced
	q    *Object
}

// announced is a parcel that its sender has told of, by means that need no arena.
type announced struct {
	parcel Ref
	from   Incarnation
}

var (
	exploreFor  = flag.Duration("explore", 4*time.Second, "how long to explore interleavings")
	exploreSeed = flag.Uint64("explore.seed", 0, "explore this one only")
)

func TestNoInterleavingAndNoKillBreaksTheArena(t *testing.T) {
	c := testkit.Start(t, "explore")
	c.Say(*exploreFor, *exploreSeed)
	result := c.Hear()
	t.Log(result)
	require.Contains(t, result, "sound")
	require.NoError(t, c.Wait())
}

// The exploration has a process of its own: arenas of other tests would have
// guardians that come to its points, too.
func init() {
	Scripts["explore"] = func(p *testkit.Peer) {
		var duration string
		var seed uint64
		_, _ = fmt.Sscan(p.Hear(), &duration, &seed)
		d, err := time.ParseDuration(duration)
		if err != nil {
			p.Say(err)
			return
		}
		p.Say(exploreAll(d, seed))
	}
}

// exploreAll explores for a time, or a certain seed only.
func exploreAll(d time.Duration, seed uint64) string {
	seg, err := NewSegment(MinArena)
	if err != nil {
		return err.Error()
	}
	begin := time.Now()
	n := uint64(0)
	for first := uint64(begin.UnixNano()); n == 0 || seed == 0 && time.Since(begin) < d; n++ {
		s := seed
		if s == 0 {
			s = first + n
		}
		if found := exploreOnce(seg, s); len(found) > 0 {
			return fmt.Sprintf("with -explore.seed=%d: %q", s, found)
		}
	}
	return fmt.Sprintf("%d runs, all sound", n)
}

// exploreOnce runs one exploration, and returns what broke.
func exploreOnce(seg *Segment, seed uint64) (broken []string) {
	x := &exploration{
		rng:     rand.New(rand.NewPCG(seed, 0)),
		yielded: make(chan bool),
		ids:     make(map[Ref]uint64),
	}
	x.kills = x.rng.IntN(3)
	x.sizes = tempers[x.rng.IntN(len(tempers))]
	x.blocks = 1 << x.rng.IntN(7)
	clear(seg.Bytes())
	for i := range 2 + x.rng.IntN(3) {
		x.actors = append(x.actors, x.actor(seg, i))
	}
	x.share()
	x.run()
	x.settle()
	return x.broken
}

func (x *exploration) breaks(format string, args ...any) {
	x.broken = append(x.broken, fmt.Sprintf(format, args...))
}

// actor makes a process out of nothing.
func (x *exploration) actor(seg *Segment, i int) *actor {
	p := &actor{Arena: view(seg), x: x, wake: make(chan bool)}
	p.id = 1
	p.self = makeIncarnation(i, 1)
	p.slots[i].status.Store(uint64(makeStatus(alive, Nobody, 1)))
	return p
}

const testQueue = testKind + 1

func init() {
	OnPending(testQueue, func(a *Arena, mem []byte, stamp uint64) bool {
		if stamp&0xff >= uint64(len(mem)/8) {
			return false
		}
		w := At[shared.Uint64](mem, int(stamp&0xff)*8).Load()
		owner := Incarnation(w & (1<<31 - 1))
		return w>>40 == stamp>>8 && w>>32&0xff != cellFree && (w>>32&0xff != cellWriting || a.Alive(owner))
	})
}

// A cell of the test's queue: lap, phase, owner.
const (
	cellFree = iota
	cellWriting
	cellReady
	cellReading
)

func cellState(lap uint64, phase uint64, owner Incarnation) uint64 {
	return lap<<40 | phase<<32 | uint64(owner)
}

func (p *actor) cell(i int) *shared.Uint64 { return At[shared.Uint64](p.q.Bytes(), i*8) }

// share gives all of them a queue.
func (x *exploration) share() {
	first := x.actors[0]
	first.q = must(first.New(testQueue, 0, len(x.cells)*8))
	for _, p := range x.actors[1:] {
		p.q = must(p.Open(first.q.Ref(), testQueue, 0))
	}
}

// run lets the actors act, one at a time.
func (x *exploration) run() {
	hook := x.point
	onStep.Store(&hook)
	defer onStep.Store(nil)
	for _, p := range x.actors {
		go p.live(10 + x.rng.IntN(40))
	}
	for {
		var able []*actor
		for _, p := range x.actors {
			if !p.over && !p.killed {
				able = append(able, p)
			}
		}
		if len(able) == 0 {
			return
		}
		x.current = able[x.rng.IntN(len(able))]
		x.quantum = 1 + x.rng.IntN(1<<x.rng.IntN(9))
		if x.kills > 0 && len(able) > 1 && x.rng.IntN(60) == 0 {
			x.kills--
			x.current.killed = true
		}
		x.current.wake <- !x.current.killed
		<-x.yielded
	}
}

// point is where another may be let run.
func (x *exploration) point(bool) {
	if x.quantum--; x.quantum > 0 {
		return
	}
	p := x.current
	x.yielded <- true
	if !<-p.wake {
		runtime.Goexit()
	}
}

func (p *actor) live(deeds int) {
	defer func() { p.x.yielded <- true }()
	if !<-p.wake {
		return
	}
	for range deeds {
		p.check()
		p.act()
	}
	p.over = true
}

// check looks at what p holds.
func (p *actor) check() {
	for _, o := range p.mine {
		p.verify(o)
	}
}

func (p *actor) verify(o *Object) {
	if got := binary.LittleEndian.Uint64(o.content()); got != p.x.ids[o.Ref()] {
		p.x.breaks("%v holds %v, which changed from %d to %d", p.self, o.Ref(), p.x.ids[o.Ref()], got)
	}
}

// content is where tests write who a block is.
func (o *Object) content() []byte {
	if o.kind != KindParcel {
		return o.Bytes()
	}
	b, err := o.Payload()
	if err != nil {
		panic(err)
	}
	return b
}

func (p *actor) act() {
	switch n := p.x.rng.IntN(20); {
	case n < 5:
		p.make()
	case n < 9:
		p.close()
	case n < 11:
		p.open()
	case n < 13:
		p.send()
	case n < 15:
		p.receive()
	case n < 17:
		p.put()
	case n < 19:
		p.take()
	default:
		p.bury()
	}
}

// note writes into a new block who it is.
func (p *actor) note(o *Object, err error) bool {
	if err != nil {
		return false // the arena is full
	}
	id := uint64(len(p.x.ids) + 1)
	binary.LittleEndian.PutUint64(o.content(), id)
	p.x.ids[o.Ref()] = id
	p.x.known = append(p.x.known, o.Ref())
	return true
}

// tempers are the sizes of blocks in an exploration.
var tempers = [][]int{
	{8},
	{8, 8, 200, 16 << 10, 17 << 10, unitSize + 1, 3 * unitSize},
	{17 << 10, unitSize + 1, 3 * unitSize},
}

func (p *actor) make() {
	if p.x.blocks--; p.x.blocks < 0 {
		p.open() // rather be many at a few
		return
	}
	o, err := p.New(testKind, 0, p.x.sizes[p.x.rng.IntN(len(p.x.sizes))])
	if p.note(o, err) {
		p.mine = append(p.mine, o)
	}
}

func (p *actor) close() {
	if len(p.mine) > 0 {
		i := p.x.rng.IntN(len(p.mine))
		o := p.mine[i]
		p.mine = slices.Delete(p.mine, i, i+1)
		o.Close()
	}
}

// open tries a Ref of any time.
func (p *actor) open() {
	if len(p.x.known) == 0 {
		return
	}
	r := p.x.known[max(0, len(p.x.known)-1-p.x.rng.IntN(1<<p.x.rng.IntN(7)))]
	if o, err := p.Open(r, testKind, 0); err == nil { // not parcels: who opens those has received them
		p.verify(o)
		p.mine = append(p.mine, o)
	}
}

// parcel makes one that lists some of what p holds.
func (p *actor) parcel() *Object {
	var refs []Ref
	for _, o := range p.mine {
		if p.x.rng.IntN(2) == 0 {
			refs = append(refs, o.Ref())
		}
	}
	parcel, err := p.NewParcel(refs, 8)
	if !p.note(parcel, err) {
		return nil
	}
	return parcel
}

func (p *actor) send() {
	parcel := p.parcel()
	if parcel == nil {
		return
	}
	to := p.x.actors[p.x.rng.IntN(len(p.x.actors))]
	if parcel.Address(to.self) {
		step()
		to.mail = append(to.mail, announced{parcel.Ref(), p.self})
	}
	parcel.Close()
}

func (p *actor) receive() {
	if len(p.mail) > 0 {
		m := p.mail[0]
		p.mail = p.mail[1:]
		p.unpack(m.parcel, func() {})
	}
}

// unpack opens a parcel that must be there, and what it lists.
func (p *actor) unpack(r Ref, consumed func()) {
	parcel, err := p.Open(r, KindParcel, 0)
	if err != nil {
		p.x.breaks("%v cannot open the parcel %v: %v", p.self, r, err)
		consumed()
		return
	}
	p.verify(parcel)
	for _, listed := range parcel.Kept() {
		o, err := p.Open(listed, testKind, 0)
		if err != nil {
			o, err = p.Open(listed, KindParcel, 0)
		}
		if err != nil {
			p.x.breaks("%v cannot open %v that the parcel %v lists: %v", p.self, listed, r, err)
			continue
		}
		p.verify(o)
		p.mine = append(p.mine, o)
	}
	consumed()
	parcel.Close()
}

// put puts a parcel into the queue.
func (p *actor) put() {
	parcel := p.parcel()
	if parcel == nil {
		return
	}
	i := p.x.rng.IntN(len(p.x.cells))
	w := p.cell(i).Load()
	lap, owner := w>>40, Incarnation(w&(1<<31-1))
	if w>>32&0xff == cellWriting && !p.Alive(owner) {
		lap++ // as a ring does: nothing of this lap is to be had any more
	} else if w>>32&0xff != cellFree {
		parcel.Close()
		return
	}
	if p.cell(i).CompareAndSwap(w, cellState(lap, cellWriting, p.self)) {
		parcel.Enclose(p.q, lap<<8|uint64(i))
		step()
		p.x.cells[i] = parcel.Ref()
		p.cell(i).Store(cellState(lap, cellReady, Nobody))
	}
	parcel.Close()
}

// take takes one out of it.
func (p *actor) take() {
	i := p.x.rng.IntN(len(p.x.cells))
	w := p.cell(i).Load()
	phase, owner := w>>32&0xff, Incarnation(w&(1<<31-1))
	if phase != cellReady && (phase != cellReading || p.Alive(owner)) {
		return
	}
	if p.cell(i).CompareAndSwap(w, cellState(w>>40, cellReading, p.self)) {
		step()
		p.unpack(p.x.cells[i], func() {
			step()
			p.cell(i).Store(cellState(w>>40+1, cellFree, Nobody))
		})
	}
}

// bury buries somebody who is dead.
func (p *actor) bury() {
	for _, q := range p.x.actors {
		if q.killed {
			p.buryOne(q)
			return
		}
	}
}

func (p *actor) buryOne(q *actor) {
	p.Bury(q.self)
	var last []announced
	p.mail = slices.DeleteFunc(p.mail, func(m announced) bool {
		if m.from == q.self {
			last = append(last, m)
		}
		return m.from == q.self
	})
	for _, m := range last { // others may send meanwhile
		p.unpack(m.parcel, func() {})
	}
	p.DropUndelivered(q.self)
}

// settle has the living bury the dead and let go of everything.
func (x *exploration) settle() {
	var living []*actor
	for _, p := range x.actors {
		if !p.killed {
			living = append(living, p)
		}
	}
	for _, p := range living {
		for _, q := range x.actors {
			if q.killed {
				p.buryOne(q)
			}
		}
		for len(p.mail) > 0 {
			p.receive()
		}
	}
	last := living[0]
	for i := range x.rng.IntN(len(x.cells) + 1) { // the others go with the queue
		if w := last.cell(i).Load(); w>>32&0xff == cellReady || w>>32&0xff == cellReading {
			last.unpack(x.cells[i], func() { last.cell(i).Store(0) })
		}
	}
	for _, p := range living {
		p.check()
		for len(p.mine) > 0 {
			p.close()
		}
		p.q.Close()
	}
	x.broken = append(x.broken, faults(last.Arena, len(living))...)
}

// faults is what keeps an arena from being as empty as a new one, with so many
// living processes.
func faults(a *Arena, living int) (list []string) {
	found := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for at := range a.slots {
		s := &a.slots[at]
		if s.load().phase() != vacant {
			living--
		} else if s.life.Load() != 0 {
			found("slot %d has the life word of its last process", at)
		}
	}
	if living != 0 {
		found("%d too few slots are taken", living)
	}
	for u := range a.units {
		h := &a.units[u]
		s := h.load()
		c, isSpan := a.spanClass(u)
		if !isSpan && s.phase() != free || isSpan && u >= a.top() {
			found("unit %d is in phase %d of %v", u, s.phase(), s.owner())
		}
		if h.held() {
			found("unit %d has holders", u)
		}
		if !isSpan {
			continue
		}
		for i := range c.perSpan() {
			if h := a.small(u, c, i).head; h.load().phase() != free || h.held() {
				found("block %d of unit %d is in phase %d, generation %d, kind %#x, anchor %#x, held %v", i, u, h.load().phase(), h.load().gen(), h.kind.Load(), h.anchor.Load(), h.held())
			}
		}
	}
	return list
}
