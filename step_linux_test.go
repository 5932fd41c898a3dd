package mp

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
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

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/stepkill"
)

// Each feat is an operation in which a process is killed: before its first
// instruction, after it, after the second, until it is over. What the survivors find
// must be sound each time.
//
//	go test -run TestAKillBetweenTwoInstructions -step.every=1 .
//
// kills after every instruction, which takes minutes. Without -step.every, a feat is
// first stepped through once, to see after which instructions the shared memory has
// changed and which are system calls. To be killed after any other instruction is the
// same for the survivors as to be killed after the last of those before it. So the
// process is killed after each of those only, and in small feats.
var (
	stepEvery = flag.Int("step.every", 0, "kill after every so manyth instruction, too, and in large feats")
	stepOnly  = flag.String("step.only", "", "kill after this instruction only, in the feats that -run selects")
)

// tooLong is what a recovery should not take.
const tooLong = 50 * time.Millisecond

// A feat is an operation of one process on objects that it shares with others.
type feat struct {
	lay   func(p *ordeal)                           // makes the objects of p.scene
	ready func(ctx context.Context, s *scene) error // what the victim has done before; may be nil
	do    func(ctx context.Context, s *scene) error // the operation; it does not block
	check func(p *ordeal)                           // what the survivor finds, and does
	by    func(ctx context.Context, s *scene) error // what another process does with the objects; may be nil
	sleep func(s *scene) bool                       // by comes before do, which begins when this is so; or nil
	large bool                                      // it has thousands of instructions
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
	usual    int // blocks in use between two victims
	process  *Process
	epoch    uint32 // of deaths, before the victim's
	over     bool   // the victim had done it all
	reported bool   // what by came to is known
}

func init() {
	addTrial("step", func(t *trial) {
		runtime.LockOSThread() // a tracer is a thread
		Init()
		p := &ordeal{trial: t, name: os.Getenv("MP_TEST_FEAT")}
		p.feat = feats[p.name]
		p.engage()
		if only, err := strconv.Atoi(os.Getenv("MP_TEST_STEP_ONLY")); err == nil {
			p.surviveOne(only)
			return
		}
		every, err := strconv.Atoi(os.Getenv("MP_TEST_STEP_EVERY"))
		require.NoError(t, err)
		p.surviveAll(every)
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

// A stepReport is what came of a feat: how many instructions it has, how often a
// process was killed in it, and how long its survivors took to have done their check.
type stepReport struct {
	feat         string
	instructions int
	visible      int // instructions that change shared memory, or enter the kernel
	times        []time.Duration
}

// surviveAll kills victims in each state that others can see; then, if every is not 0,
// after every so manyth instruction, until one was done before that. How many there are
// may differ from victim to victim, where Go's allocator has to look for memory in one
// and not in another.
func (p *ordeal) surviveAll(every int) {
	visible, all := p.explore()
	for _, k := range append([]int{0}, visible...) {
		p.surviveOne(k)
	}
	for k, over := every, every == 0; !over; k += every {
		p.surviveOne(k)
		over = p.over
	}
	p.surviveOne(math.MaxInt)
	require.True(p, p.over)
	p.Say("stepped", all, len(visible))
}

func (p *ordeal) surviveOne(k int) { p.Say("took", k, int64(p.survive(k))) }

// explore steps a victim through the feat, and returns after which instructions the
// others can tell a difference, and how many there are.
func (p *ordeal) explore() (visible []int, all int) {
	v := p.begin()
	a, err := arena()
	require.NoError(p, err)
	visible, all, err = v.Explore(a.File(), func(n int) {
		if n%500 == 0 {
			p.Say("at", n) // so that nobody thinks this hangs
		}
	})
	require.NoError(p, err)
	p.end(v)
	p.usual = inUse()
	return visible, all
}

// survive kills a victim after k instructions, or when it is done, and returns how
// long it took until the check was done.
func (p *ordeal) survive(k int) (took time.Duration) {
	v := p.begin()
	_, err := v.Step(k)
	require.NoError(p, err, "killed after instruction %d", k)
	took = p.end(v)
	if p.usual == 0 {
		p.usual = inUse()
	}
	eventually(p, func() bool { return inUse() == p.usual },
		fmt.Sprintf("as many blocks in use as before the victim: %d, not %d, after instruction %d", p.usual, inUse(), k))
	return took
}

// begin lays the scene, and has a new victim at the beginning of the feat.
func (p *ordeal) begin() *stepkill.Victim {
	p.ctx, p.cancel = context.WithTimeout(context.Background(), hangs)
	p.reported, p.over = false, false
	p.scene = scene{}
	p.lay(p)
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
	require.NoError(p, v.Begin())
	a, err := arena()
	require.NoError(p, err)
	p.epoch = a.Epoch().Load()
	return v
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
func (p *ordeal) awaitDeath() {
	a, err := arena()
	require.NoError(p, err)
	eventually(p, func() bool { return !a.Alive(p.process.inc) && a.Epoch().Load() != p.epoch }, "an announced death")
}

// A process is killed after an instruction of an operation, for each of them. The
// others go on, at once, and find what was before the operation or what is after it.
func TestAKillBetweenTwoInstructions(t *testing.T) {
	if race.Enabled {
		t.Skip("the instructions that count are those without the race detector")
	}
	var mu sync.Mutex
	var reports []stepReport
	t.Run("feats", func(t *testing.T) {
		for name := range feats {
			t.Run(name, func(t *testing.T) {
				if feats[name].large && *stepEvery == 0 && *stepOnly == "" {
					t.Skip("large: done with -step.every")
				}
				t.Parallel()
				r := stepReport{feat: name}
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

// feature tells a script which feat to do.
func feature(name string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "MP_TEST_FEAT="+name,
			"MP_TEST_STEP_EVERY="+strconv.Itoa(*stepEvery), "MP_TEST_STEP_ONLY="+*stepOnly)
	}
}

func (r *stepReport) read(line string) {
	var k int
	var ns int64
	if n, _ := fmt.Sscanf(line, "took %d %d", &k, &ns); n == 2 {
		r.times = append(r.times, time.Duration(ns))
	}
	_, _ = fmt.Sscanf(line, "stepped %d %d", &r.instructions, &r.visible)
}

func logReports(t *testing.T, reports []stepReport) {
	slices.SortFunc(reports, func(a, b stepReport) int { return strings.Compare(a.feat, b.feat) })
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-44s %12s %8s %6s %10s %10s %8s\n", "", "instructions", "visible", "kills", "median", "max", "> 50 ms")
	var total stepReport
	for _, r := range reports {
		r.print(&b)
		total.instructions += r.instructions
		total.visible += r.visible
		total.times = append(total.times, r.times...)
	}
	total.feat = "all"
	total.print(&b)
	t.Log(b.String())
}

func (r stepReport) print(w io.Writer) {
	if len(r.times) == 0 {
		return
	}
	slices.Sort(r.times)
	late, _ := slices.BinarySearch(r.times, tooLong)
	fmt.Fprintf(w, "%-44s %12d %8d %6d %10v %10v %8d\n", r.feat, r.instructions, r.visible, len(r.times),
		r.times[len(r.times)/2].Round(10*time.Microsecond), r.times[len(r.times)-1].Round(10*time.Microsecond), len(r.times)-late)
}
