package mp

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/stepkill"
)

// Each feat is an operation in which a process is killed: before its first
// instruction, after it, after the second, until it is over. What the survivors find
// must be sound each time.
//
// A feat is first stepped through once, to see after which instructions the shared
// memory has changed and which are system calls. To be killed after any other
// instruction is the same for the survivors as to be killed after the last of those
// before it. So the process is killed after each of those; and after some others, at
// random, to see whether that is true.
//
//	go test -run TestAKillBetweenTwoInstructions -step.large .
//	go test -run TestAKillBetweenTwoInstructions -step.every=1 -timeout 1h .
//
// The first does so with all large feats; otherwise some of them have their turn, at random.
// The second kills after every instruction; in feats with more of them than -step.long after
// one in a hundred, as each kill takes a process.
var (
	stepLarge  = flag.Bool("step.large", false, "all large feats, as with -step.every and -step.only")
	stepSome   = flag.Int("step.some", 3, "so many large feats, at random, if not all")
	stepEvery  = flag.Int("step.every", 0, "kill after every so manyth instruction, too")
	stepLong   = flag.Int("step.long", 4000, "feats of more instructions are killed in at one in a hundred of those")
	stepSample = flag.Int("step.sample", 1, "kill after so many instructions that change nothing, too")
	stepOnly   = flag.Int("step.only", -1, "kill after this instruction only, in the feats that -run selects")
)

// tooLong is what a recovery should not take.
const tooLong = 50 * time.Millisecond

// A feat is an operation of one process on objects that it shares with others.
type feat struct {
	lay   func(p *ordeal)                           // makes the objects of p.scene
	dead  func(ctx context.Context, s *scene) error // what a process had done that died before the victim began; may be nil
	ready func(ctx context.Context, s *scene) error // what the victim has done before; may be nil
	do    func(ctx context.Context, s *scene) error // the operation; it does not block
	check func(p *ordeal)                           // what the survivor finds, and does
	by    func(ctx context.Context, s *scene) error // what another process does with the objects; may be nil
	sleep func(s *scene) bool                       // by comes before do, which begins when this is so; or nil
	large bool                                      // it takes long to step through
	slow  bool                                      // so long that only -step.large does it
}

var feats = map[string]feat{}

// A victimRole is what a victim gets.
type victimRole struct {
	Feat  string
	Scene scene
}

var victims = Register("test.victim", func(ctx context.Context, in victimRole) (int, error) {
	f := feats[in.Feat]
	if f.ready != nil {
		if err := f.ready(ctx, &in.Scene); err != nil {
			return 0, err
		}
	}
	var err error
	stepkill.Offer(
		func(thread int) { fmt.Println(thread) },
		func() { err = f.do(ctx, &in.Scene) })
	return 0, err
})

// A goner does what another process had done before it died, and dies.
var goners = Register("test.goner", func(ctx context.Context, in victimRole) (int, error) {
	if err := feats[in.Feat].dead(ctx, &in.Scene); err != nil {
		return 0, err
	}
	killMyself()
	return 0, nil
})

// A witness does what feats want another process to do.
type witnessRole struct {
	Orders *Queue[victimRole]
	Said   *Queue[string]
}

var witnesses = Register("test.witness", func(ctx context.Context, in witnessRole) (int, error) {
	for o, err := range in.Orders.All(ctx) {
		if err == nil {
			err = feats[o.Feat].by(ctx, &o.Scene)
			o.Scene.free()
		}
		if err := in.Said.Put(ctx, nameOf(err)); err != nil {
			return 0, err
		}
	}
	return 0, nil
})

// An ordeal is one feat, done by one victim after the other.
type ordeal struct {
	*trial
	feat
	scene
	ctx    context.Context // of one victim
	cancel context.CancelFunc
	name   string

	peer     *Conn[int64] // the other end of scene.End, or
	longPeer *Conn[[]byte]

	orders   *Queue[victimRole]
	said     *Queue[string]
	usual    int // blocks in use between two victims, at least
	process  *Process
	epoch    uint32 // of deaths, before the victim's
	over     bool   // the victim had done it all
	reported bool   // what by came to is known
	stuck    int    // victims that did not begin
}

func init() {
	addTrial("step", func(t *trial) {
		runtime.LockOSThread() // a tracer is a thread
		Init()
		flag.Parse()
		p := &ordeal{trial: t, name: os.Getenv("MP_TEST_FEAT")}
		p.feat = feats[p.name]
		p.engage()
		if *stepOnly >= 0 {
			p.surviveOne(nil, *stepOnly)
			return
		}
		p.surviveAll()
	})
}

// engage starts the witness.
func (p *ordeal) engage() {
	var err error
	p.orders, err = NewQueue[victimRole](2)
	require.NoError(p, err)
	p.said, err = NewQueue[string](2)
	require.NoError(p, err)
	_, err = witnesses.Start(context.Background(), witnessRole{p.orders, p.said})
	require.NoError(p, err)
}

// surviveAll kills victims before the first instruction, after those that pick selects,
// and when they are done.
func (p *ordeal) surviveAll() {
	path := p.explore()
	for _, k := range p.pick(path) {
		p.surviveOne(path, k)
	}
	p.surviveOne(path, math.MaxInt)
	require.True(p, p.over)
	p.settle(path.Len())
	p.Say("stepped", path.Len(), len(path.Visible))
}

// pick selects after how many instructions to kill: each time that others can see a
// difference, sometimes when they cannot, and when the flags say so.
func (p *ordeal) pick(path *stepkill.Path) []int {
	picked := append([]int{0}, path.Visible...)
	for range *stepSample {
		picked = append(picked, rand.IntN(path.Len()))
	}
	if every := *stepEvery; every > 0 {
		if path.Len() > *stepLong {
			every *= 100
		}
		for k := every; k < path.Len(); k += every {
			picked = append(picked, k)
		}
	}
	slices.Sort(picked)
	return slices.Compact(picked)
}

func (p *ordeal) surviveOne(path *stepkill.Path, k int) { p.Say("took", k, int64(p.survive(path, k))) }

// explore steps a victim through the feat.
func (p *ordeal) explore() *stepkill.Path {
	v := p.begin()
	a, err := arena()
	require.NoError(p, err)
	path, err := v.Explore(a.File(), func(n int) {
		if n%500 == 0 {
			p.Say("at", n) // so that nobody thinks this hangs
		}
	})
	require.NoError(p, err)
	p.end(v)
	return path
}

// settle waits until no more blocks are in use than after any victim before: what a dead
// process had is given back some time after its death was announced.
func (p *ordeal) settle(k int) {
	if p.usual == 0 {
		p.usual = inUse()
	}
	eventually(p, func() bool { return inUse() <= p.usual },
		fmt.Sprintf("as few blocks in use as before the victim: %d, not %d, after instruction %d", p.usual, inUse(), k))
	p.usual = min(p.usual, inUse())
}

// survive kills a victim after k instructions, or when it is done, and returns how
// long it took until the check was done. If the victim goes another way than the path,
// another one is stepped.
func (p *ordeal) survive(path *stepkill.Path, k int) (took time.Duration) {
	v := p.begin()
	if path == nil {
		_, err := v.Step(k)
		require.NoError(p, err, "killed after instruction %d", k)
	} else {
		require.NoError(p, v.Follow(path, k), "killed after instruction %d", k)
	}
	took = p.end(v)
	p.settle(k)
	if path != nil && p.over && k < path.Len() {
		return p.survive(nil, k)
	}
	return took
}

// mostStuck is how often a victim may stand still before the operation. On a busy machine
// a thread may have been stopped that waited for one lock of Go's runtime with another one
// in its hands. Nothing of the operation was done then.
const mostStuck = 3

// begin lays the scene, and has a new victim at the beginning of the feat.
func (p *ordeal) begin() *stepkill.Victim {
	p.giveTime()
	p.reported, p.over = false, false
	p.scene = scene{}
	p.lay(p)
	if p.dead != nil {
		p.loseOne()
	}
	thread, goOn := p.startVictim()
	if p.sleep != nil {
		p.order()
		eventually(p, func() bool { return p.sleep(&p.scene) }, "the witness asleep")
	}
	v, err := stepkill.Take(p.process.PID(), thread)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		p.skip("no process may be traced here: " + err.Error())
	}
	require.NoError(p, err)
	goOn()
	if err := v.Begin(); errors.Is(err, stepkill.ErrStuck) && p.stuck < mostStuck {
		p.stuck++
		p.giveTime()
		p.end(v)
		return p.begin()
	} else {
		require.NoError(p, err)
	}
	p.epoch = deathEpoch(p)
	return v
}

// loseOne has a process die before the victim begins, and everybody told of it.
func (p *ordeal) loseOne() {
	epoch := deathEpoch(p)
	goner, err := goners.Start(context.Background(), victimRole{p.name, p.scene})
	require.NoError(p, err)
	var exit *ExitError
	require.ErrorAs(p, goner.Wait(p.ctx), &exit)
	require.Equal(p, syscall.SIGKILL, exit.Signal)
	p.awaitDeathOf(goner, epoch)
}

// giveTime gives everybody as long as it may take, from now on.
func (p *ordeal) giveTime() {
	if p.cancel != nil {
		p.cancel()
	}
	p.ctx, p.cancel = context.WithTimeout(context.Background(), hangs)
}

// startVictim starts a process and returns the thread that it offers, and what lets
// that begin.
func (p *ordeal) startVictim() (thread int, goOn func()) {
	theirIn, in, err := os.Pipe()
	require.NoError(p, err)
	out, theirOut, err := os.Pipe()
	require.NoError(p, err)
	p.process, err = victims.Start(context.Background(), victimRole{p.name, p.scene},
		WithStdio(theirIn, theirOut, nil), WithEnv(append(os.Environ(), stepkill.Quiet...)...))
	require.NoError(p, err)
	_, _ = theirIn.Close(), theirOut.Close()
	require.NoError(p, out.SetReadDeadline(time.Now().Add(hangs/2)))
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(p, err)
	_ = out.Close()
	thread, err = strconv.Atoi(strings.TrimSpace(line))
	require.NoError(p, err)
	return thread, func() {
		_, err := in.WriteString("\n")
		require.NoError(p, err)
		_ = in.Close()
	}
}

// end kills the victim, and looks what it leaves.
func (p *ordeal) end(v *stepkill.Victim) (took time.Duration) {
	p.over = v.Over()
	begin := time.Now()
	require.NoError(p, v.Kill())
	if p.by != nil && p.sleep == nil {
		p.order()
	}
	if p.check != nil {
		p.check(p)
	}
	p.awaitWitness()
	took = time.Since(begin)
	p.awaitDeath()
	<-p.process.Done()
	p.cancel()
	p.scene.free()
	return took
}

// order tells the witness to do its part.
func (p *ordeal) order() {
	require.NoError(p, p.orders.Put(p.ctx, victimRole{p.name, p.scene}))
}

// hasWitnessed reports whether the witness has done its part.
func (p *ordeal) hasWitnessed() bool {
	if p.reported {
		return true
	}
	said, err := p.said.TryGet()
	if errors.Is(err, ErrEmpty) {
		return false
	}
	require.NoError(p, err)
	require.Empty(p, said, "what the witness found")
	p.reported = true
	return true
}

// awaitWitness waits until the witness has done its part, if it has one.
func (p *ordeal) awaitWitness() {
	if p.by == nil || p.reported {
		return
	}
	said, err := p.said.Get(p.ctx)
	require.NoError(p, err)
	require.Empty(p, said, "what the witness found")
	p.reported = true
}

// awaitDeath waits until everybody has been told of the victim's death.
func (p *ordeal) awaitDeath() { p.awaitDeathOf(p.process, p.epoch) }

// awaitDeathOf does so for any process that was alive at that epoch.
func (p *ordeal) awaitDeathOf(process *Process, epoch uint32) {
	a, err := arena()
	require.NoError(p, err)
	eventually(p, func() bool { return !a.Alive(process.inc) && deathEpoch(p) != epoch }, "an announced death")
}

// deathEpoch is how many deaths were announced.
func deathEpoch(t require.TestingT) uint32 {
	a, err := arena()
	require.NoError(t, err)
	return a.Epoch().Load()
}

// A process is killed after an instruction of an operation, for each of them. The
// others go on, at once, and find what was before the operation or what is after it.
func TestAKillBetweenTwoInstructions(t *testing.T) {
	if race.Enabled {
		t.Skip("the instructions that count are those without the race detector")
	}
	var mu sync.Mutex
	var reports []stepReport
	turn := inTurn()
	t.Run("feats", func(t *testing.T) {
		for name := range feats {
			t.Run(name, func(t *testing.T) {
				if feats[name].large && !turn[name] {
					t.Skip("large, and not its turn: done with -step.large")
				}
				t.Parallel()
				r := stepReport{feat: name, at: make(map[int]bool)}
				for _, line := range try(t, "step", feature(name)) {
					r.read(line)
				}
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, r)
			})
		}
	})
	logReports(t, reports)
}

// inTurn are the large feats to be done now: what takes long is to step through them once,
// not to kill, so it is some of them as a whole, and not a part of each. The report tells
// which; any of them is done again with -step.large and its name.
func inTurn() map[string]bool {
	all := *stepLarge || *stepEvery != 0 || *stepOnly >= 0
	var large []string
	for name, f := range feats {
		if f.large && (all || !f.slow) {
			large = append(large, name)
		}
	}
	if !all {
		rand.Shuffle(len(large), func(i, j int) { large[i], large[j] = large[j], large[i] })
		large = large[:min(*stepSome, len(large))]
	}
	turn := make(map[string]bool)
	for _, name := range large {
		turn[name] = true
	}
	return turn
}

// feature tells a script which feat to do, and how thoroughly.
func feature(name string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "MP_TEST_FEAT="+name)
		flag.VisitAll(func(f *flag.Flag) {
			if strings.HasPrefix(f.Name, "step.") {
				cmd.Args = append(cmd.Args, "-"+f.Name+"="+f.Value.String())
			}
		})
	}
}

// A stepReport is what came of a feat: how many instructions it has, after which of
// them a process was killed, and how long its survivors took to have done their check.
type stepReport struct {
	feat         string
	instructions int
	visible      int // of them, those that change shared memory, or enter the kernel
	at           map[int]bool
	times        []time.Duration
}

func (r *stepReport) read(line string) {
	var k int
	var ns int64
	if n, _ := fmt.Sscanf(line, "took %d %d", &k, &ns); n == 2 {
		r.at[k] = true
		r.times = append(r.times, time.Duration(ns))
	}
	_, _ = fmt.Sscanf(line, "stepped %d %d", &r.instructions, &r.visible)
}

func logReports(t *testing.T, reports []stepReport) {
	slices.SortFunc(reports, func(a, b stepReport) int { return strings.Compare(a.feat, b.feat) })
	var b strings.Builder
	fmt.Fprintf(&b, "\n| %-50s | %12s | %7s | %6s | %7s | %9s | %9s | %7s |\n%s\n",
		"operation", "instructions", "visible", "kills", "skipped", "median", "longest", "> 50 ms", "|---|---|---|---|---|---|---|---|")
	total := stepReport{feat: "all"}
	skipped := 0
	for _, r := range reports {
		r.print(&b, r.skipped())
		total.instructions += r.instructions
		total.visible += r.visible
		total.times = append(total.times, r.times...)
		skipped += r.skipped()
	}
	total.print(&b, skipped)
	t.Log(b.String())
}

// skipped is after how many instructions no process was killed, because nothing that is
// shared had changed. The last one is not among them: a victim that is done is killed, too.
func (r *stepReport) skipped() (n int) {
	for k := 1; k < r.instructions; k++ {
		if !r.at[k] {
			n++
		}
	}
	return n
}

func (r *stepReport) print(w io.Writer, skipped int) {
	if len(r.times) == 0 {
		return
	}
	slices.Sort(r.times)
	late, _ := slices.BinarySearch(r.times, tooLong)
	fmt.Fprintf(w, "| %-50s | %12d | %7d | %6d | %7d | %9v | %9v | %7d |\n", r.feat, r.instructions, r.visible, len(r.times), skipped,
		r.times[len(r.times)/2].Round(10*time.Microsecond), r.times[len(r.times)-1].Round(10*time.Microsecond), len(r.times)-late)
}
