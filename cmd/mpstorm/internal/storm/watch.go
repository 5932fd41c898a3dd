package storm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mpgo/mp"
)

// A watch is the time between two musters.
type watch struct {
	*storm
	number int64
}

// keep goes through the watch: wind for so long, then a muster and its audit, and the
// order for the next watch unless this is the last.
func (w *watch) keep(length time.Duration, last bool) error {
	blowing, calm := context.WithTimeout(w.ctx, length)
	defer calm()
	over, still := context.WithCancel(w.ctx) // when the crew is at rest
	defer still()
	tide, work := w.turn(over), w.labour(blowing)
	if err := w.blow(blowing); err != nil {
		return err
	}
	rung := time.Now()
	if err := w.logs.Bell.Store(w.number); err != nil {
		return err
	}
	w.await()
	took := time.Since(rung)
	still()
	<-tide
	<-work
	if w.ctx.Err() != nil {
		return nil
	}
	if w.audit(); w.ctx.Err() != nil {
		return nil
	}
	return w.muster(took, last)
}

// heavy is how often a watch goes with ballast.
const heavy = 3

// blow lets the wind loose until ctx ends.
func (w *watch) blow(ctx context.Context) (err error) {
	var load ballast
	if w.number%heavy == 0 {
		if load, err = takeBallast(); err != nil {
			return errors.Join(err, load.free())
		}
	}
	w.wind.blow(ctx)
	return load.free()
}

// tideEvery is how often the captain looks whether somebody waits for what the others
// happen not to do.
const tideEvery = 10 * time.Millisecond

// turn lets those go on who wait, until ctx ends; the channel tells when it has ended.
func (w *watch) turn(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.help()
			select {
			case <-ctx.Done():
			case <-time.After(tideEvery):
			}
		}
	}()
	return done
}

func (w *watch) help() {
	over := w.logs.Bell.Load() >= w.number
	for i, a := range acts {
		if a.help == nil {
			continue
		}
		err := a.help(w.captain, news{w.crew.tally(i), over})
		if err != nil && !passed(err) && !full(err) {
			w.failed("the captain, in %s: %v", a.name, err)
		}
	}
}

// labour has the office work until ctx ends; the channel tells when it has ended.
func (w *watch) labour(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.office.work(ctx); err != nil {
			w.failed("%v", err)
		}
	}()
	return done
}

// await waits until all sailors are at rest. Those who are not when the limit is over
// hang: they are asked where.
func (w *watch) await() {
	limit := time.NewTimer(w.Limit)
	defer limit.Stop()
	for !w.crew.atRest(w.number) {
		select {
		case <-w.ctx.Done():
			return
		case <-limit.C:
			if w.ctx.Err() == nil {
				w.accuse()
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// accuse tells who hangs, and where.
func (w *watch) accuse() {
	for _, b := range w.crew.berths {
		if !b.atRest(w.number) {
			at := b.unfinished()
			w.failed("berth %d does not come to rest within %v; it is %s: %s", b.number, w.Limit, at, b.ask())
		}
	}
}

// audit checks all that can be counted while everybody is at rest.
func (w *watch) audit() {
	for i, a := range acts {
		if a.audit == nil {
			continue
		}
		if err := a.audit(w.captain, w.crew.tally(i)); err != nil {
			w.failed("%s, at the end of watch %d: %v; killed in it: %+v", a.name, w.number, err, w.crew.tally(i))
		}
	}
	if err := w.office.audit(); err != nil {
		w.failed("%v", err)
	}
}

// muster takes the old world away, checks that its memory comes back, and hands out a
// new one.
func (w *watch) muster(took time.Duration, last bool) error {
	deaths := w.crew.closeTallies()
	if err := w.captain.world.free(); err != nil {
		return err
	}
	if w.number == 1 {
		w.calm = mp.MemoryStats()
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.Limit)
	defer cancel()
	now, ok := settles(ctx, w.calm)
	if !ok {
		w.failed("shared memory: %+v in use at the end of watch %d, and %+v at the first muster", now, w.number, w.calm)
	}
	w.mustered(Muster{At: time.Since(w.began), Took: took, Blocks: now.Blocks, Bytes: now.Bytes, Deaths: deaths})
	if last || !ok {
		return nil
	}
	world, err := newWorld()
	if err != nil {
		return err
	}
	w.captain.world, w.captain.credit = world, 0
	return w.crew.command(Order{Watch: w.number + 1, World: *world})
}

// mustered notes a muster, and tells of it.
func (w *watch) mustered(m Muster) {
	w.mu.Lock()
	w.report.Musters = append(w.report.Musters, m)
	w.mu.Unlock()
	now := w.now()
	fmt.Fprintf(w.Progress, "%6.1f s: %8d acts, %6d killed; all at rest after %4.0f ms, %d blocks of shared memory in use\n",
		m.At.Seconds(), now.Done, now.Kills, 1000*m.Took.Seconds(), m.Blocks)
}
