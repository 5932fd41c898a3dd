package shm

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
)

func init() {
	roles["reserve"] = func(a *Arena, _ string) { // the parent that does not come to start its child
		i, err := a.Reserve()
		if err != nil {
			say(err)
			return
		}
		o, err := a.New(testKind, 0, 8)
		if err != nil || !o.Address(i) {
			say(err)
			return
		}
		say(uint32(i))
		select {}
	}
	roles["mourn"] = func(a *Arena, arg string) { // sleeps until a process is dead
		i, _ := strconv.ParseUint(arg, 10, 32)
		say("ready")
		for {
			seen := a.Epoch().Load()
			if !a.Alive(Incarnation(i)) {
				break
			}
			_ = futexWait(a.Epoch(), seen)
		}
		say("gone")
		select {}
	}
	roles["who"] = func(a *Arena, _ string) {
		say(os.Getpid(), startTime(os.Getpid()))
		select {}
	}
}

func TestAChildKilledWhileItJoinsGivesItsPlaceBack(t *testing.T) {
	a := newArena(t, 4<<20)
	for k := 1; ; k++ {
		self, err := a.Reserve()
		require.NoError(t, err)
		o, err := a.New(testKind, 0, 8)
		require.NoError(t, err)
		require.True(t, o.Address(self))
		o.Close()
		p := startPart(t, a, part{self, fmt.Sprintf("killed:%d", k), "block", "-"})
		_, joined := p.next()
		if joined {
			p.kill(t)
		}
		p.await()
		a.Bury(self)
		requireClean(t, a, 0, "killed before step %d", k)
		if joined {
			require.Greater(t, k, 5)
			return
		}
	}
}

// A child is stopped at a step of its joining, and by then its parent gives it up
// and another process gets its place. When the child goes on it must find that
// out, and leave no trace: the other's death is noticed, and not before it.
func TestAChildThatIsGivenUpLeavesTheNextOneAlone(t *testing.T) {
	for k := 1; ; k++ {
		a := newArena(t, 4<<20)
		self, err := a.Reserve()
		require.NoError(t, err)
		late := startPart(t, a, part{self, fmt.Sprintf("stopped:%d", k), "block", "-"})
		lines := make(chan string, 1)
		go func() {
			line, _ := late.next()
			lines <- line
		}()
		if stopped := late.awaitStop(lines); !stopped || a.slots[self.Slot()].load().phase() != reserved {
			require.Greater(t, k, 3)
			return // it has joined
		}
		a.Bury(self) // as nobody does who does not know it is dead; but a dead parent's place is taken so
		a.nextSlot.Store(int64(self.Slot()) - 1)
		next := start(t, a, "block", "-")
		require.Equal(t, self.Slot(), next.self.Slot())
		require.Equal(t, "ready", next.line(t))

		require.NoError(t, late.Signal(syscall.SIGCONT))
		require.Contains(t, <-lines, "gave")
		late.await()
		s := &a.slots[self.Slot()]
		require.Equal(t, next.PID(), s.processID(next.self.Generation()))
		require.Zero(t, s.life.Load()&lifeDied)
		require.True(t, a.Alive(next.self))
		next.kill(t)
		awaitEpoch(t, a, func() bool { return !a.Alive(next.self) }) // nobody calls Bury
	}
}

func TestAParentKilledBeforeItStartsItsChildGivesThePlaceBack(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "reserve", "-")
	n, err := strconv.ParseUint(p.line(t), 10, 32)
	require.NoError(t, err)
	i := Incarnation(n)
	require.True(t, a.Alive(i))
	p.kill(t)
	a.Bury(p.self)
	require.False(t, a.Alive(i))
	requireClean(t, a, 0)
}

func TestGenerationsOfSlotsGoRoundInUse(t *testing.T) {
	a := newArena(t, 4<<20)
	for at := 1; at < len(a.slots); at++ {
		a.slots[at].status.Store(uint64(makeStatus(vacant, Nobody, maxGeneration-1)))
	}
	var before []Incarnation
	for range 4 {
		a.nextSlot.Store(1)
		o, err := a.New(testKind, 0, 8)
		require.NoError(t, err)
		p := start(t, a, "open", hexRef(o.Ref()))
		require.Equal(t, 2, p.self.Slot())
		require.Equal(t, "opened", p.line(t))
		for _, i := range before {
			require.False(t, a.Alive(i), i)
		}
		o.Close()
		require.Equal(t, 1, a.Stats().Blocks)
		p.kill(t)
		awaitEpoch(t, a, func() bool { return !a.Alive(p.self) })
		a.Bury(p.self)
		before = append(before, p.self)
		requireClean(t, a, 0)
	}
	require.Equal(t, uint32(maxGeneration), before[0].Generation())
	require.Equal(t, uint32(1), before[1].Generation())
}

func TestGenerationsOfBlocksGoRoundInUse(t *testing.T) {
	a := newArena(t, 4<<20)
	for _, n := range []int{8, big} {
		o, err := a.New(testKind, 0, n)
		require.NoError(t, err)
		o.Close()
		o.place.head.state.Store(uint64(makeState(free, 0, maxBlockGen-1)))
		var old []Ref
		for range 4 {
			o, err := a.New(testKind, 0, n)
			require.NoError(t, err)
			for _, r := range old {
				_, err := a.Open(r, testKind, 0)
				require.ErrorIs(t, err, ErrClosed)
			}
			p, err := a.NewParcel([]Ref{o.Ref()}, 0)
			require.NoError(t, err)
			o.Close()
			o, err = a.Open(o.Ref(), testKind, 0)
			require.NoError(t, err)
			p.Close()
			require.Equal(t, 1, a.Stats().Blocks)
			o.Close()
			old = append(old, o.Ref())
		}
		require.Equal(t, []uint32{maxBlockGen, 1, 2, 3}, []uint32{old[0].Gen, old[1].Gen, old[2].Gen, old[3].Gen})
		requireClean(t, a, 0)
	}
}

// With so many processes each guardian watches only a part of them; still every
// death is noticed, also if hundreds die at once.
func TestTheDeathOfManyIsNoticedWithoutAskingTheParent(t *testing.T) {
	n := MaxProcesses - 1
	if race.Enabled {
		n = watchLimit + 10 // each takes much memory
	}
	a := newArena(t, 4<<20)
	var all []*peer
	for range n {
		all = append(all, start(t, a, "block", "-"))
	}
	for _, p := range all {
		require.Equal(t, "ready", p.line(t))
	}
	if !race.Enabled {
		_, err := a.Reserve()
		require.ErrorIs(t, err, ErrProcessTableFull)
	}
	for _, victims := range [][]*peer{all[:1], all[n-1:], all[n/2 : n-1], all[1 : n/2]} {
		for _, p := range victims {
			require.NoError(t, p.Signal(syscall.SIGKILL))
		}
		awaitEpoch(t, a, func() bool {
			for _, p := range victims {
				if a.Alive(p.self) {
					return false
				}
			}
			return true
		})
	}
	for _, p := range all {
		a.Bury(p.self)
	}
	requireClean(t, a, 0)
}

// The child's pids mean nothing here, and ours nothing there: only the parent,
// that is told by the kernel, may say that it is dead.
func TestAProcessOfAnotherPidNamespaceIsProvenByItsParentOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a new pid namespace takes root")
	}
	a := newArena(t, 4<<20)
	p := startElsewhere(t, a, "who")
	pid, started, _ := strings.Cut(p.line(t), " ")
	require.Equal(t, "1", pid)
	require.Equal(t, "0", started, "/proc is ours, and speaks of our process 1")

	a.slots[p.self.Slot()].life.Or(lifeDied) // a false alarm
	require.False(t, a.prove(p.self))
	require.True(t, a.Alive(p.self))
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	require.False(t, a.prove(p.self))
	require.True(t, a.Alive(p.self))
	a.Bury(p.self)
	require.False(t, a.Alive(p.self))
	requireClean(t, a, 0)
}

type stranger struct {
	*peer
	cmd *exec.Cmd
}

// startElsewhere starts a process in a pid namespace of its own, as child.Start
// would if it could.
func startElsewhere(t *testing.T, a *Arena, role string) stranger {
	self, err := a.Reserve()
	require.NoError(t, err)
	life, lifeEnd, err := os.Pipe()
	require.NoError(t, err)
	crash, err := sys.Scratch("crash")
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MP_CHILD=0:"+part{self, "usual", role, "-"}.String())
	cmd.ExtraFiles = []*os.File{a.File(), life, crash, a.File()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_, _, _ = life.Close(), lifeEnd.Close(), crash.Close()
	})
	return stranger{&peer{self: self, out: bufio.NewReader(out)}, cmd}
}

// A number may be given again, also to a thread of another process.
func TestARecycledPidIsNoSignOfLife(t *testing.T) {
	a := newArena(t, 4<<20)
	done := make(chan bool)
	defer close(done)
	tids := make(chan int)
	go func() {
		runtime.LockOSThread()
		tids <- sys.Gettid()
		<-done
	}()
	tid := <-tids
	for _, pid := range []int{os.Getpid(), tid} {
		i, err := a.Reserve()
		require.NoError(t, err)
		s := &a.slots[i.Slot()]
		mine := s.load()
		require.True(t, s.pid.set(uint64(pid), s, mine))
		require.True(t, s.namespace.set(sys.PidNamespace(), s, mine))
		require.True(t, s.started.set(startTime(os.Getpid())-1, s, mine))
		require.True(t, a.prove(i), "pid %d", pid)
		a.Bury(i)
	}
}

// Where there is no /proc nobody can tell pid namespaces apart.
func TestAnUnknownPidNamespaceProvesNothing(t *testing.T) {
	a := newArena(t, 4<<20)
	i, err := a.Reserve()
	require.NoError(t, err)
	s := &a.slots[i.Slot()]
	require.True(t, s.pid.set(1<<22+1, s, s.load())) // no system has that
	require.True(t, s.started.set(0, s, s.load()))
	require.True(t, s.namespace.set(0, s, s.load()))
	require.False(t, a.prove(i))
}
