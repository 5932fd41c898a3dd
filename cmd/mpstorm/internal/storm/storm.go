// Package storm lets a crew of processes use every kind of shared object in every
// combination while they are killed and stopped at random and memory is scarce, and
// checks again and again that no count is wrong, that nobody hangs and that nothing
// leaks.
//
// The captain, the first process, is the only one that is safe. It goes through
// watches of some seconds. In each, the crew works with a new World of objects; at its
// end the bell rings, everybody comes to rest, and the captain audits: money is
// conserved, each message was delivered once, permits are there, and shared memory is
// as full as at the first muster. What those who were killed had not finished is in
// the Logs, so that the audits allow for exactly that and no more.
package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/cmd/mpstorm/internal/children"
)

// ArenaSize is so small that the crew runs out of shared memory now and then.
const ArenaSize = 64 << 20

// watchTime is how long the wind blows between two musters, at most.
const watchTime = 10 * time.Second

// Options are what a storm shall be.
type Options struct {
	Duration time.Duration
	Procs    int           // sailors
	Seed     uint64        // decides about the moments of the kills
	Limit    time.Duration // nobody may ever wait for longer
	Progress io.Writer     // gets a line at each muster

	// Sailor is what the processes of the crew run; nil for what they should.
	Sailor *mp.Func[Articles, int]
}

// Run lets a storm rage. The error is one that kept it from doing so, or ctx's; what
// was violated is in the report. Nothing may have used shared memory before.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := mp.SetArenaSize(ArenaSize); err != nil {
		return nil, err
	}
	s := &storm{Options: o, began: time.Now(), rng: rand.New(rand.NewPCG(o.Seed, 0))}
	s.ctx, s.cancel = context.WithCancel(ctx)
	defer s.cancel()
	defer children.End()
	before := mp.MemoryStats()
	if err := s.begin(); err != nil {
		return nil, err
	}
	err := s.rage()
	s.reckon()
	if err == nil && s.ctx.Err() == nil {
		s.leave(before)
	}
	return s.finished(), errors.Join(err, ctx.Err())
}

// A storm is one run.
type storm struct {
	Options
	ctx    context.Context // ends when all is over, or something was violated
	cancel func()
	began  time.Time
	rng    *rand.Rand

	logs    Logs
	captain *hand
	crew    *crew
	office  *office
	wind    *wind
	calm    mp.MemoryUse // in use at the first muster

	mu     sync.Mutex
	report Report
}

// failed notes a violation. The storm is over then.
func (s *storm) failed(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Violations = append(s.report.Violations,
		fmt.Sprintf("after %.1f s: %s", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...)))
	s.cancel()
}

// rage goes through all watches. The first is without wind, and without work: it
// shows what a crew at rest needs of shared memory.
func (s *storm) rage() error {
	stop := s.sample()
	defer stop()
	if err := (&watch{storm: s, number: 1}).keep(0, false); err != nil {
		return err
	}
	end := time.Now().Add(s.Duration) // the calm of the first does not count
	for number := int64(2); s.ctx.Err() == nil; number++ {
		length := time.Until(end)
		over := length <= watchTime
		w := &watch{storm: s, number: number}
		if err := w.keep(min(watchTime, length), over); err != nil || over {
			return err
		}
	}
	return nil
}

// begin makes what is there from the first watch to the last.
func (s *storm) begin() (err error) {
	if s.logs, err = newLogs(s.Procs*hands + 1); err != nil {
		return err
	}
	if s.office, err = newOffice(s.ctx, s.fork(), s.logs, s.Limit); err != nil {
		return err
	}
	world, err := newWorld()
	if err != nil {
		return err
	}
	s.captain = &hand{
		ctx: s.ctx, rng: s.fork(), limit: s.Limit, logs: s.logs, page: s.logs.page(s.Procs * hands),
		world: world, captain: true,
	}
	s.crew = newCrew(s.ctx, s.Options, s.logs, Order{Watch: 1, World: *world}, s.failed)
	s.wind = &wind{rng: s.fork(), crew: s.crew, office: s.office}
	s.crew.man()
	return nil
}

// fork is another source of random numbers that depends on the seed.
func (s *storm) fork() *rand.Rand { return rand.New(rand.NewPCG(s.rng.Uint64(), s.rng.Uint64())) }

// leave lets everybody go and checks that nothing is left.
func (s *storm) leave(before mp.MemoryUse) {
	ctx, cancel := context.WithTimeout(s.ctx, s.Limit)
	defer cancel()
	if err := s.crew.dismiss(ctx); err != nil {
		s.failed("%v", err)
		return
	}
	if err := errors.Join(s.office.close(), s.logs.free()); err != nil {
		s.failed("at the end: %v", err)
	}
	if after, ok := settles(ctx, before); !ok {
		s.failed("shared memory at the end: %+v, and %+v at the beginning", after, before)
	}
}

// settles waits until as much shared memory is in use as before; children of those
// who were killed may be about to end.
func settles(ctx context.Context, before mp.MemoryUse) (now mp.MemoryUse, ok bool) {
	for now = mp.MemoryStats(); now != before; now = mp.MemoryStats() {
		select {
		case <-ctx.Done():
			return now, false
		case <-time.After(time.Millisecond):
		}
	}
	return now, true
}
