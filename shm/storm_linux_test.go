package shm

import (
	"flag"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var stormFor = flag.Duration("storm", 6*time.Second, "how long to kill children at any moment")

func init() {
	roles["alloc"] = func(a *Arena, arg string) { // allocates, sends and frees for ever
		seed, _ := strconv.ParseUint(arg, 10, 64)
		rng := rand.New(rand.NewPCG(seed, seed))
		say("ready")
		var mine []*Object
		sent := 0
		for {
			for len(mine) > 8 {
				i := rng.IntN(len(mine))
				mine[i].Close()
				mine[i] = mine[len(mine)-1]
				mine = mine[:len(mine)-1]
			}
			o, err := a.New(testKind, 0, 1<<rng.IntN(18))
			if err != nil {
				say(err)
				return
			}
			mine = append(mine, o)
			p, err := a.NewParcel([]Ref{mine[rng.IntN(len(mine))].Ref()}, rng.IntN(100))
			if err != nil {
				continue
			}
			if others := a.Processes(); sent < 100 && rng.IntN(2) == 0 {
				p.Address(others[rng.IntN(len(others))].Incarnation) // nobody will open it
				sent++
			}
			mine = append(mine, p)
		}
	}
}

// Children that do nothing but make, address and close blocks are killed at any
// moment, in twos at a time: the siblings' guardians and this process bury them.
func TestManyKillsAtAnyMomentLeaveTheArenaEmpty(t *testing.T) {
	a := newArena(t, 64<<20)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		kills int
	)
	begin := time.Now()
	for worker := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(worker)))
			for n := 0; time.Since(begin) < *stormFor && !t.Failed(); n++ {
				p := start(t, a, "alloc", strconv.Itoa(3*n+worker))
				p.line(t)
				for range rng.IntN(200_000) { // a random moment, without a clock
					_ = a.Epoch().Load()
				}
				p.kill(t)
				a.Bury(p.self)
				a.DropUndelivered(p.self)
				require.True(t, vacated(a, p.self))
				mu.Lock()
				kills++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d kills", kills)
	requireClean(t, a, 0)
}
