package ipc

import (
	"context"
	"encoding/binary"
	"fmt"
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
// them killed at random. After the ring in the props come the bitmaps of the
// producers, stormEach bits each.
const (
	stormEach  = 8192
	stormWords = stormEach / 32
	stormBatch = groupSize + 2 // messages
)

func stormBitmap(s *stage, ringSize, producer int) []shared.Uint32 {
	return shm.SliceAt[shared.Uint32](s.props, (ringSize+63)&^63+producer*stormWords*4, stormWords)
}

// playStormPut puts its messages as producer args[1]; args[0] is the ring's size.
// Beyond what Put returned from, one message may have been committed.
func playStormPut(s *stage, args []int) {
	r := s.ring(0)
	msg := make([]byte, 40)
	returned := shm.SliceAt[shared.Uint32](s.props, args[2]+4*args[1], 1)
	for i := range stormEach {
		number(msg, args[1], i)
		check(r.Put(background, msg))
		returned[0].Store(uint32(i + 1))
	}
}

// playStormPutBatches does so in batches. One of them may have been committed beyond.
func playStormPutBatches(s *stage, args []int) {
	r := s.ring(0)
	returned := shm.SliceAt[shared.Uint32](s.props, args[2]+4*args[1], 1)
	var claims [stormBatch]Claimed
	for i := 0; i < stormEach; {
		n, err := r.ClaimBatch(background, claims[:min(len(claims), stormEach-i)])
		check(err)
		for k, c := range claims[:n] {
			number(c.Bytes(), args[1], i+k)
			c.Fill(40)
		}
		CommitBatch(claims[:n], n)
		i += n
		returned[0].Store(uint32(i))
	}
}

// number makes msg message i of a producer.
func number(msg []byte, producer, i int) {
	binary.LittleEndian.PutUint32(msg, uint32(producer))
	binary.LittleEndian.PutUint32(msg[4:], uint32(i))
	binary.LittleEndian.PutUint32(msg[36:], ^uint32(i))
}

func playStormGet(s *stage, args []int) {
	r := s.ring(0)
	buf := make([]byte, 0, 40)
	for {
		msg, err := r.Get(background, buf)
		if err == ErrClosed {
			return
		}
		check(err)
		tickOff(s, args[0], msg)
	}
}

func playStormGetBatches(s *stage, args []int) {
	r := s.ring(0)
	var taken [stormBatch]Taken
	var got [stormBatch][]byte
	for {
		n, err := r.TakeBatch(background, taken[:])
		if err == ErrClosed {
			return
		}
		check(err)
		for i, m := range taken[:n] {
			msg, err := m.Bytes()
			check(err)
			got[i] = append(got[i][:0], msg...)
		}
		ReleaseBatch(taken[:n])
		for _, msg := range got[:n] {
			tickOff(s, args[0], msg)
		}
	}
}

func tickOff(s *stage, ringSize int, msg []byte) {
	producer, i := int(binary.LittleEndian.Uint32(msg)), binary.LittleEndian.Uint32(msg[4:])
	if binary.LittleEndian.Uint32(msg[36:]) != ^i {
		s.counters[5].Add(1) // torn
		return
	}
	old := stormBitmap(s, ringSize, producer)[i/32].Or(1 << (i % 32))
	if old&(1<<(i%32)) != 0 {
		s.counters[4].Add(1) // twice
	}
}

// Producers and consumers in eight processes that are killed at random, started
// again, and killed again, half of them with batches. Whatever was said to be put is got
// once; a process that is killed may have taken with it what it had just got.
func TestRingStormOfKilledProcesses(t *testing.T) {
	kills := 1000
	if testing.Short() {
		kills = 100
	}
	capacity := groupSize + 3
	producers := kills + 8
	size, err := RingSize(capacity, 40)
	require.NoError(t, err)
	returnedAt := (size+63)&^63 + producers*stormWords*4
	s := newStage(t, returnedAt+4*producers)
	require.NoError(t, initRing(s.props, capacity, 40, 1<<30-4))

	var mu sync.Mutex
	generations := make([]uint32, 9)
	nextProducer := 0
	batches := func(slot int) bool { return slot%2 == 1 }
	beyond := make([]int, producers) // messages of a producer that may be committed and not said to be
	start := func(slot int) *actor {
		mu.Lock()
		defer mu.Unlock()
		generations[slot]++
		self := anIncarnation(slot, generations[slot])
		put, get, most := "stormput", "stormget", 1
		if batches(slot) {
			put, get, most = "stormputbatches", "stormgetbatches", stormBatch
		}
		if slot > 4 {
			return s.play(t, get, self, size)
		}
		beyond[nextProducer] = most
		nextProducer++
		return s.play(t, put, self, size, nextProducer-1, returnedAt)
	}
	actors := make([]*actor, 9)
	for slot := 1; slot <= 8; slot++ {
		actors[slot] = start(slot)
	}
	killedConsumers, killedProducers, mayLose := 0, 0, 0
	rnd := uint64(time.Now().UnixNano())
	t.Logf("seed %d", rnd)
	for killedConsumers+killedProducers < kills {
		rnd = rnd*6364136223846793005 + 1442695040888963407
		slot := 1 + int(rnd>>33%8)
		time.Sleep(time.Duration(rnd >> 40 % uint64(4*time.Millisecond)))
		select {
		case <-actors[slot].gone: // had put all its messages
		default:
			actors[slot].kill()
			if slot <= 4 {
				killedProducers++
			} else {
				killedConsumers++
				if mayLose++; batches(slot) {
					mayLose += stormBatch - 1
				}
			}
		}
		if nextProducer < producers || slot > 4 {
			actors[slot] = start(slot)
		}
	}
	for slot := 1; slot <= 4; slot++ {
		actors[slot].kill()
		killedProducers++
	}
	require.NoError(t, s.ring(0).Close())
	for slot := 5; slot <= 8; slot++ {
		<-actors[slot].gone
	}
	returned, got := 0, 0
	for p := range nextProducer {
		n := int(shm.At[shared.Uint32](s.props, returnedAt+4*p).Load())
		returned += n
		bits := stormBitmap(s, size, p)
		for i := range stormEach {
			if bits[i/32].Load()&(1<<(i%32)) == 0 {
				continue
			}
			got++
			require.Less(t, i, n+beyond[p], "got what nobody put")
			if i >= n {
				returned++ // committed, but killed before it said so
			}
		}
	}
	t.Logf("%d producers and %d consumers killed; %d messages, %d lost with their consumers",
		killedProducers, killedConsumers, returned, returned-got)
	require.Zero(t, s.counters[4].Load(), "messages got twice")
	require.Zero(t, s.counters[5].Load(), "torn messages")
	require.LessOrEqual(t, returned-got, mayLose)
	require.Greater(t, got, kills)
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
