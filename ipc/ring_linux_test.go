package ipc

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
	"github.com/mpgo/mp/shm"
)

// A stage is a segment in which real processes play roles: this test binary,
// started again. It proves deaths as a guardian does: by waiting for the process.
//
//	   0  epoch     4
//	   4  curtain   4  raised when all may begin
//	  64  counters  8 × 32
//	1024  deaths    4 × 256  by slot: the generations up to this are dead
//	4096  props     whatever the roles play with
type stage struct {
	segment  *shm.Segment
	epoch    *shared.Uint32
	curtain  *shared.Uint32
	counters []shared.Uint64
	deaths   []shared.Uint32
	props    []byte
	self     shm.Incarnation

	// lastRites is called when a process is gone, before anybody knows: nobody has
	// touched what it left.
	lastRites func(shm.Incarnation)
}

const stageProps = 4096

func (s *stage) Self() shm.Incarnation        { return s.self }
func (s *stage) Epoch() *shared.Uint32        { return s.epoch }
func (s *stage) Alive(i shm.Incarnation) bool { return s.deaths[i.Slot()].Load() < i.Generation() }

func setStage(segment *shm.Segment, self shm.Incarnation) *stage {
	mem := segment.Bytes()
	return &stage{
		segment:  segment,
		epoch:    shm.At[shared.Uint32](mem, 0),
		curtain:  shm.At[shared.Uint32](mem, 4),
		counters: shm.SliceAt[shared.Uint64](mem, 64, 32),
		deaths:   shm.SliceAt[shared.Uint32](mem, 1024, shm.MaxProcesses),
		props:    mem[stageProps:],
		self:     self,
	}
}

// newStage makes a stage; the test itself is process 0.
func newStage(t testing.TB, props int) *stage {
	segment, err := shm.NewSegment(int64(stageProps + props))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, segment.Close()) })
	return setStage(segment, anIncarnation(0, 1))
}

func anIncarnation(slot int, generation uint32) shm.Incarnation {
	return shm.Incarnation(generation<<8 | uint32(slot))
}

// background is the context of actors, which have no test.
var background = context.Background()

// An actor is a process in a role.
type actor struct {
	*exec.Cmd
	stage *stage
	self  shm.Incarnation
	gone  chan struct{}
}

// play starts a process in a role.
func (s *stage) play(t testing.TB, role string, self shm.Incarnation, args ...any) *actor {
	words := []string{role, strconv.FormatUint(uint64(self), 10)}
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MP_IPC_ROLE="+strings.Join(words, " "), "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{s.segment.File()}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	require.NoError(t, cmd.Start())
	a := &actor{cmd, s, self, make(chan struct{})}
	go a.bury()
	t.Cleanup(func() { a.kill() })
	return a
}

// bury waits for the death and proves it to all.
func (a *actor) bury() {
	_ = a.Wait()
	if a.stage.lastRites != nil {
		a.stage.lastRites(a.self)
	}
	a.stage.deaths[a.self.Slot()].Store(a.self.Generation())
	a.stage.epoch.Add(1)
	futex.WakeAll(a.stage.epoch)
	close(a.gone)
}

func (a *actor) kill() {
	_ = a.Process.Kill()
	<-a.gone
}

// An actor is told its role by the environment. It never returns to the tests.
func init() {
	words := strings.Fields(os.Getenv("MP_IPC_ROLE"))
	if len(words) == 0 {
		return
	}
	_ = os.Unsetenv("MP_IPC_ROLE")
	self, err := strconv.ParseUint(words[1], 10, 32)
	check(err)
	spin.Worthwhile() // found out before we are pinned to one CPU
	segment, err := shm.MapSegment(os.NewFile(3, "stage"))
	check(err)
	var args []int
	for _, w := range words[2:] {
		n, err := strconv.Atoi(w)
		check(err)
		args = append(args, n)
	}
	roles()[words[0]](setStage(segment, shm.Incarnation(self)), args)
	os.Exit(0)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "in a child process:", err)
		os.Exit(3)
	}
}

// awaitCurtain spins until the test says go; the processes are pinned and timed.
func (s *stage) awaitCurtain() {
	s.counters[0].Add(1)
	for s.curtain.Load() == 0 {
		time.Sleep(10 * time.Microsecond)
	}
}

// raise starts the actors at once, when all are there.
func (s *stage) raise(t testing.TB, actors ...*actor) {
	eventually(t, func() bool { return s.counters[0].Load() == uint64(len(actors)) })
	s.curtain.Store(1)
}

// pin keeps a process that awaits the curtain on one CPU, where there is taskset.
func (a *actor) pin(cpu int) {
	taskset, err := exec.LookPath("taskset")
	if err == nil && runtime.NumCPU() > cpu {
		_ = exec.Command(taskset, "-a", "-c", "-p", strconv.Itoa(cpu), strconv.Itoa(a.Process.Pid)).Run()
	}
}

func roles() map[string]func(s *stage, args []int) {
	return map[string]func(s *stage, args []int){
		"put":      playPut,
		"get":      playGet,
		"stormput": playStormPut,
		"stormget": playStormGet,
		"echo":     playEcho,
		"ping":     playPing,

		"stormputbatches": playStormPutBatches,
		"stormgetbatches": playStormGetBatches,

		"streamput":  playStreamPut,
		"streamget":  playStreamGet,
		"fixedput":   playFixedPut,
		"fixedget":   playFixedGet,
		"streamecho": playStreamEcho,
		"streamping": playStreamPing,
	}
}

func (s *stage) ring(off int) *Ring {
	r, err := OpenRing(s, s.props[off:])
	check(err)
	return r
}

// playPut puts args[0] messages of args[1] bytes numbered.
func playPut(s *stage, args []int) {
	r := s.ring(0)
	msgs := numbered(args[1])
	s.awaitCurtain()
	for i := range args[0] {
		check(r.Put(background, msgs.number(i)))
	}
}

// messages are numbered messages. A number is stored a while before the message is
// needed: a CPU that copies what it has just stored in smaller pieces waits for
// the store, and that is not what is measured.
type messages [16][]byte

func numbered(size int) *messages {
	m := new(messages)
	for i := range m {
		m[i] = make([]byte, size)
		binary.LittleEndian.PutUint64(m[i], uint64(i))
	}
	return m
}

// number is message i; they are wanted one after the other.
func (m *messages) number(i int) []byte {
	if i >= 8 {
		binary.LittleEndian.PutUint64(m[(i+8)%16], uint64(i+8))
	}
	return m[i%16]
}

// A pace is the time that a consumer takes for a message: the median of many
// slices, so that the machine's other work does not count.
type pace struct {
	n      int
	begin  time.Time
	slices []float64
}

const paceSlice = 2048

func (p *pace) step() {
	if p.n%paceSlice == 0 {
		now := time.Now()
		if p.n > 0 {
			p.slices = append(p.slices, float64(now.Sub(p.begin))/paceSlice)
		}
		p.begin = now
	}
	p.n++
}

// report puts the median, in picoseconds, where the test finds it.
func (p *pace) report(s *stage) {
	slices.Sort(p.slices)
	if len(p.slices) > 0 {
		s.counters[2].Add(uint64(1000 * p.slices[len(p.slices)/2]))
	}
}

// playGet gets args[0] messages and adds up their numbers.
func playGet(s *stage, args []int) {
	r := s.ring(0)
	buf := make([]byte, 0, r.Inline())
	s.awaitCurtain()
	sum, p := uint64(0), pace{}
	for range args[0] {
		b, err := r.Get(background, buf)
		check(err)
		sum += binary.LittleEndian.Uint64(b)
		p.step()
	}
	p.report(s)
	s.counters[3].Add(sum)
}

// playEcho answers args[0] messages, playPing sends as many and awaits the answers.
func playEcho(s *stage, args []int) {
	size, err := RingSize(64, 64)
	check(err)
	in, out := s.ring(0), s.ring(size)
	buf := make([]byte, 0, 64)
	s.awaitCurtain()
	for range args[0] {
		b, err := in.Get(background, buf)
		check(err)
		check(out.Put(background, b))
	}
}

func playPing(s *stage, args []int) {
	size, err := RingSize(64, 64)
	check(err)
	out, in := s.ring(0), s.ring(size)
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	s.awaitCurtain()
	p := pace{}
	for range args[0] {
		check(out.Put(background, msg))
		_, err := in.Get(background, buf)
		check(err)
		p.step()
	}
	p.report(s)
}

// The storm: producers put numbered messages and consumers tick them off, all of
// them killed at random. What they write down outlives them, behind the ring in the
// props, where lives is how many there may be of each kind:
//
//	ticks     lives × stormEach × 4   by producer and number: the consumer who had it
//	returned  lives × 4               by producer: how many of its messages were put
//	hands     lives × stormBatch × 16 by consumer: what it is in the middle of
type storm struct {
	*stage
	ticks    []shared.Uint32
	returned []shared.Uint32
	hands    []stormNote
	lives    int
}

const (
	stormEach   = 8192
	stormBatch  = groupSize + 2 // messages
	stormInline = 64            // of its messages, which are shorter: they lie apart from their cells, other storms' do not
	stormLane   = groupSize + 3 // cells of the ring
)

// A stormNote says that a consumer has taken a message, and where. It is written before
// the message is released, and taken back when that is ticked off.
type stormNote struct {
	message shared.Uint64 // 1 + that of stormKey; 0 for none
	stamp   shared.Uint64
}

// stormKey names a message, and says where its tick is.
func stormKey(producer, i int) int { return producer*stormEach + i }

// stormCounters of the stage.
const (
	stormDoubled = 4
	stormTorn    = 5
	stormAstray  = 6 // out of order
)

func stormSize(lives int) (ring, all int) {
	ring, err := RingSize(stormLane, stormInline)
	check(err)
	ring = (ring + 63) &^ 63
	return ring, ring + lives*(stormEach*4+4+stormBatch*16) + 8
}

func newStorm(s *stage, lives int) *storm {
	ring, _ := stormSize(lives)
	returned := ring + lives*stormEach*4
	hands := (returned + 4*lives + 7) &^ 7
	return &storm{
		stage:    s,
		ticks:    shm.SliceAt[shared.Uint32](s.props, ring, lives*stormEach),
		returned: shm.SliceAt[shared.Uint32](s.props, returned, lives),
		hands:    shm.SliceAt[stormNote](s.props, hands, lives*stormBatch),
		lives:    lives,
	}
}

// hand is that of a consumer.
func (s *storm) hand(consumer int) []stormNote {
	return s.hands[consumer*stormBatch : (consumer+1)*stormBatch]
}

// playStormPut puts its messages as producer args[1] of args[0]. Beyond what Put
// returned from, one message may have been committed.
func playStormPut(s *stage, args []int) {
	storm, r := newStorm(s, args[0]), s.ring(0)
	for i := range stormEach {
		c, err := r.Claim(background)
		check(err)
		number(c.Bytes(), args[1], i)
		dawdle()
		c.Commit(40)
		storm.returned[args[1]].Store(uint32(i + 1))
	}
}

// playStormPutBatches does so in batches. One of them may have been committed beyond.
func playStormPutBatches(s *stage, args []int) {
	storm, r := newStorm(s, args[0]), s.ring(0)
	var claims [stormBatch]Claimed
	for i := 0; i < stormEach; {
		n, err := r.ClaimBatch(background, claims[:min(len(claims), stormEach-i)])
		check(err)
		for k, c := range claims[:n] {
			number(c.Bytes(), args[1], i+k)
			c.Fill(40)
		}
		dawdle()
		CommitBatch(claims[:n], n)
		i += n
		storm.returned[args[1]].Store(uint32(i))
	}
}

// dawdle takes its time, now and then, where it is bad to be killed.
func dawdle() {
	if rand.IntN(8) > 0 {
		return
	}
	for end := time.Now().Add(time.Duration(rand.IntN(int(50 * time.Microsecond)))); time.Now().Before(end); {
	}
}

// number makes msg message i of a producer.
func number(msg []byte, producer, i int) {
	binary.LittleEndian.PutUint32(msg, uint32(producer))
	binary.LittleEndian.PutUint32(msg[4:], uint32(i))
	binary.LittleEndian.PutUint32(msg[36:], ^uint32(i))
}

// A stormGetter is a consumer.
type stormGetter struct {
	*storm
	self int
	had  map[int]int // by producer: 1 + the last message that nobody had before
}

func newStormGetter(s *stage, args []int) *stormGetter {
	return &stormGetter{newStorm(s, args[0]), args[1], make(map[int]int)}
}

// playStormGet gets messages as consumer args[1] of args[0] until the ring is closed.
func playStormGet(s *stage, args []int) {
	g, r := newStormGetter(s, args), s.ring(0)
	for {
		m, err := r.Take(background)
		if err == ErrClosed {
			return
		}
		check(err)
		g.note(0, m)
		dawdle()
		m.Release()
		dawdle()
		g.tickOff(1)
	}
}

// playStormGetBatches does so in batches.
func playStormGetBatches(s *stage, args []int) {
	g, r := newStormGetter(s, args), s.ring(0)
	var taken [stormBatch]Taken
	for {
		n, err := r.TakeBatch(background, taken[:])
		if err == ErrClosed {
			return
		}
		check(err)
		for i, m := range taken[:n] {
			g.note(i, m)
		}
		dawdle()
		ReleaseBatch(taken[:n])
		dawdle()
		g.tickOff(n)
	}
}

// note writes down that the consumer has a message. Those of a producer come in order,
// but for those that another consumer had before.
func (g *stormGetter) note(i int, m Taken) {
	msg, err := m.Bytes()
	check(err)
	producer, nth := int(binary.LittleEndian.Uint32(msg)), int(binary.LittleEndian.Uint32(msg[4:]))
	if len(msg) != 40 || binary.LittleEndian.Uint32(msg[36:]) != ^uint32(nth) || producer >= g.lives || nth >= stormEach {
		g.counters[stormTorn].Add(1)
		return
	}
	if m.Attempt() == 1 {
		if nth < g.had[producer] {
			g.counters[stormAstray].Add(1)
		}
		g.had[producer] = nth + 1
	}
	n := &g.hand(g.self)[i]
	n.stamp.Store(m.stamp())
	n.message.Store(uint64(stormKey(producer, nth) + 1))
}

// tickOff says that the consumer has had the first n messages in its hand.
func (g *stormGetter) tickOff(n int) {
	hand := g.hand(g.self)[:n]
	for i := range hand {
		if m := hand[i].message.Load(); m != 0 && !g.ticks[m-1].CompareAndSwap(0, uint32(g.self+1)) {
			g.counters[stormDoubled].Add(1)
		}
	}
	for i := range hand {
		hand[i].message.Store(0)
	}
}

// takeBack strikes out, in the hand of a consumer that is gone, what it had not released:
// somebody else must get that. The rest it has had.
func (s *storm) takeBack(r *Ring, consumer int) {
	c, hand := r.cells.Load(), s.hand(consumer)
	for i := range hand {
		stamp := hand[i].stamp.Load()
		if c.atIndex(stamp&stampIndex).state.Load()>>lapShift == stamp>>32 {
			hand[i].message.Store(0)
		}
	}
}

// A stormWatch is who starts and kills the processes of a storm, in slots 1 to 4 the
// producers, in 5 to 8 the consumers, every other one with batches.
type stormWatch struct {
	testing.TB
	*storm
	ring        *Ring
	actors      [9]*actor
	generations [9]uint32
	producers   int
	beyond      []int    // by producer: messages that may be committed and not said to be
	consumers   sync.Map // by incarnation
	killed      [2]int   // producers and consumers
	started     int      // consumers
}

func newStormWatch(t testing.TB, lives int) *stormWatch {
	ring, all := stormSize(lives)
	s := newStage(t, all)
	require.NoError(t, initRing(s.props[:ring], stormLane, stormInline, 1<<30-4))
	w := &stormWatch{TB: t, storm: newStorm(s, lives), ring: s.ring(0)}
	s.lastRites = func(self shm.Incarnation) {
		if consumer, is := w.consumers.Load(self); is {
			w.takeBack(w.ring, consumer.(int))
		}
	}
	return w
}

// start starts the next process of a slot, unless there were as many as may be.
func (w *stormWatch) start(slot int) {
	w.generations[slot]++
	self := anIncarnation(slot, w.generations[slot])
	w.actors[slot] = nil
	role, most := "storm%s", 1
	if slot%2 == 1 {
		role, most = "storm%sbatches", stormBatch
	}
	switch {
	case slot > 4:
		w.consumers.Store(self, w.started)
		w.actors[slot] = w.play(w, fmt.Sprintf(role, "get"), self, w.lives, w.started)
		w.started++
	case w.producers < w.lives:
		w.beyond = append(w.beyond, most)
		w.actors[slot] = w.play(w, fmt.Sprintf(role, "put"), self, w.lives, w.producers)
		w.producers++
	}
}

// strike kills the process of a slot. A producer may have put all its messages.
func (w *stormWatch) strike(slot int) {
	a := w.actors[slot]
	if a == nil {
		return
	}
	a.kill()
	if status := a.ProcessState; status.Success() && slot <= 4 {
		return
	} else if status.ExitCode() != -1 { // not by a signal
		w.Fatalf("process %d: %v", slot, status)
	}
	w.killed[(slot-1)/4]++
}

// account checks every message: whatever was put was got once, unless its consumer was
// killed after it had released it.
func (w *stormWatch) account() {
	took := make(map[int]int) // by message: 1 + the dead consumer who had it
	for i := range w.hands {
		if m := w.hands[i].message.Load(); m != 0 {
			require.Zero(w, took[int(m-1)], "two of the dead released one message")
			took[int(m-1)] = i/stormBatch + 1
		}
	}
	put, lost := 0, 0
	for p := range w.producers {
		end := int(w.returned[p].Load())
		most := end + w.beyond[p]
		for i := end; i < stormEach; i++ {
			if key := stormKey(p, i); w.ticks[key].Load() != 0 || took[key] != 0 {
				require.Less(w, i, most, "got what nobody put")
				end = i + 1 // committed, but killed before it said so; what is before that as well
			}
		}
		put += end
		for i := range end {
			key := stormKey(p, i)
			ticked, who := int(w.ticks[key].Load()), took[key]
			switch {
			case ticked == 0 && who == 0:
				w.Errorf("message %d of producer %d, who put %d, is lost", i, p, end)
			case ticked == 0:
				lost++
			case who != 0 && who != ticked:
				w.Errorf("message %d of producer %d was had by consumers %d, who is dead, and %d", i, p, who-1, ticked-1)
			}
		}
	}
	w.Logf("%d producers and %d consumers killed; %d messages, %d of them released by consumers that were killed then",
		w.killed[0], w.killed[1], put, lost)
	require.Zero(w, w.counters[stormDoubled].Load(), "messages got twice")
	require.Zero(w, w.counters[stormTorn].Load(), "torn messages")
	require.Zero(w, w.counters[stormAstray].Load(), "messages out of order")
	require.Greater(w, put-lost, w.killed[0]+w.killed[1])
}

// Producers and consumers in eight processes that are killed at random, started
// again, and killed again, half of them with batches. Whatever was said to be put is got
// once, each producer's in order; a process that is killed has taken with it what it had
// just released, and nothing else.
func TestRingStormOfKilledProcesses(t *testing.T) {
	kills := 1000
	if testing.Short() {
		kills = 100
	}
	w := newStormWatch(t, kills+8)
	for slot := 1; slot <= 8; slot++ {
		w.start(slot)
	}
	rnd := uint64(time.Now().UnixNano())
	t.Logf("seed %d", rnd)
	for w.killed[0]+w.killed[1] < kills {
		rnd = rnd*6364136223846793005 + 1442695040888963407
		slot := 1 + int(rnd>>33%8)
		time.Sleep(time.Duration(rnd >> 40 % uint64(4*time.Millisecond)))
		w.strike(slot)
		w.start(slot)
	}
	for slot := 1; slot <= 4; slot++ {
		w.strike(slot)
	}
	require.NoError(t, w.ring.Close())
	for slot := 5; slot <= 8; slot++ {
		<-w.actors[slot].gone
		require.True(t, w.actors[slot].ProcessState.Success())
	}
	w.account()
}

// Four processes put, four get, nothing is missing.
func TestRingMessagesOfEightProcesses(t *testing.T) {
	const each = 20000
	size, err := RingSize(64, 64)
	require.NoError(t, err)
	s := newStage(t, size)
	require.NoError(t, initRing(s.props, 64, 64, 1<<30-2))
	var actors []*actor
	for i := range 4 {
		actors = append(actors,
			s.play(t, "put", anIncarnation(1+i, 1), each, 64),
			s.play(t, "get", anIncarnation(5+i, 1), each))
	}
	s.raise(t, actors...)
	for _, a := range actors {
		<-a.gone
		require.True(t, a.ProcessState.Success())
	}
	require.EqualValues(t, 4*each*(each-1)/2, s.counters[3].Load())
	require.Zero(t, s.ring(0).Len())
}

// As many putting as getting processes, the two of a pair pinned to two CPUs.
func BenchmarkRingProcesses(b *testing.B) {
	for _, sides := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("%dto%d", sides, sides), func(b *testing.B) {
			size, err := RingSize(1024, 64)
			require.NoError(b, err)
			s := newStage(b, size)
			require.NoError(b, InitRing(s.props, 1024, 64))
			n := max(b.N/sides, 1)
			var actors []*actor
			for i := range sides {
				actors = append(actors,
					s.play(b, "put", anIncarnation(1+i, 1), n, 64),
					s.play(b, "get", anIncarnation(10+i, 1), n))
			}
			awaited := func() bool { return s.counters[0].Load() == uint64(len(actors)) }
			eventually(b, awaited)
			for i, a := range actors {
				a.pin((i + i/2) % 2) // a pair on two CPUs, the next the other way round
			}
			b.ResetTimer()
			s.raise(b, actors...)
			for _, a := range actors {
				<-a.gone
			}
			b.StopTimer()
			if sides == 1 { // more share CPUs, which a slice does not show
				b.ReportMetric(float64(s.counters[2].Load())/1000, "ns/msg")
			}
		})
	}
}

func BenchmarkRingRoundTrip(b *testing.B) {
	size, err := RingSize(64, 64)
	require.NoError(b, err)
	s := newStage(b, 2*size)
	require.NoError(b, InitRing(s.props, 64, 64))
	require.NoError(b, InitRing(s.props[size:], 64, 64))
	s.dialogue(b, "ping", "echo")
}

// dialogue lets two actors exchange b.N messages on two CPUs.
func (s *stage) dialogue(b *testing.B, ping, echo string) {
	actors := []*actor{s.play(b, ping, anIncarnation(1, 1), b.N), s.play(b, echo, anIncarnation(2, 1), b.N)}
	eventually(b, func() bool { return s.counters[0].Load() == 2 })
	for i, a := range actors {
		a.pin(i)
	}
	b.ResetTimer()
	s.raise(b, actors...)
	for _, a := range actors {
		<-a.gone
	}
	b.StopTimer()
	b.ReportMetric(float64(s.counters[2].Load())/1000, "ns/trip")
}
