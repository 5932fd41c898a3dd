package storm

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// The wind is what befalls the crew while a watch lasts: sailors and workers of the
// pool are killed and stopped at random.
type wind struct {
	rng    *rand.Rand
	crew   *crew
	office *office

	kills, stops, workers atomic.Int64
}

// Between two blows at most, and at most a process is stopped.
const (
	lull  = 40 * time.Millisecond
	pause = 30 * time.Millisecond
)

// blow lets the wind loose until ctx ends. Nobody is stopped then.
func (w *wind) blow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.moment(lull)):
		}
		w.strike()
	}
}

// moment is a random time up to most.
func (w *wind) moment(most time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(most)))
}

func (w *wind) strike() {
	b := w.crew.berths[w.rng.IntN(len(w.crew.berths))]
	switch n := w.rng.IntN(20); {
	case n == 0: // a breaker takes half the crew at once
		for _, b := range w.crew.berths {
			if w.rng.IntN(2) == 0 {
				w.kill(b)
			}
		}
	case n < 3:
		w.freeze(b)
	case n < 5:
		w.office.strike(w)
	default:
		w.kill(b)
	}
}

// kill kills a berth's sailor, and sometimes its family with it.
func (w *wind) kill(b *berth) {
	p := b.doom()
	if p == nil {
		return
	}
	w.kills.Add(1)
	if w.rng.IntN(4) == 0 {
		_ = p.KillTree() // it may end by itself, which is found out when it has
		return
	}
	_ = p.Kill()
}

// freeze stops a berth's sailor for a moment: that is not death. Some are killed
// before they go on.
func (w *wind) freeze(b *berth) {
	p := b.manned()
	if p == nil || stop(p) != nil {
		return
	}
	w.stops.Add(1)
	time.Sleep(w.moment(pause))
	if w.rng.IntN(3) == 0 {
		w.kill(b)
	}
	_ = goOn(p) // it may be dead
}
