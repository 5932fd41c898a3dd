package ours

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// A crew is processes, or goroutines of one, that do something at the same time and
// count.
type crew struct {
	all     sync.WaitGroup
	mu      sync.Mutex
	tallies []gauge.Tally
	failed  error
}

// add has count run at the same time as the others.
func (c *crew) add(count func() (gauge.Tally, error)) {
	c.all.Go(func() {
		t, err := count()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tallies = append(c.tallies, t)
		if err != nil {
			c.failed = err
		}
	})
}

// process is what add takes to have f count in a process of its own.
func process[In any](f *mp.Func[In, gauge.Tally], in In) func() (gauge.Tally, error) {
	return func() (gauge.Tally, error) { return f.Run(context.Background(), in) }
}

// sum waits for all, and adds up what they counted.
func (c *crew) sum() (gauge.Tally, error) {
	c.all.Wait()
	return gauge.Sum(c.tallies...), c.failed
}

// A post is what each process of a crew is told: what the job is, which of them it
// is, and where it waits for the others.
type post struct {
	Job   side.Job
	Nth   int
	Start *start
}

// take pins the process and waits until everybody has. It returns when the window
// to measure in opens.
func (p post) take(ctx context.Context) (opens int64, err error) {
	if err := pin(p.Job, p.Nth); err != nil {
		return 0, err
	}
	return p.Start.wait(ctx)
}

// meter is take for those who move messages.
func (p post) meter(ctx context.Context) (*gauge.Meter, error) {
	opens, err := p.take(ctx)
	return gauge.NewMeterAt(gauge.Burst(p.Job.Size), p.Job.Budget, opens), err
}

// A start is where the processes of a crew wait for each other.
type start struct {
	Ready *mp.Barrier // all of them, and who started them
	Set   *mp.Event   // Opens is set
	Opens *mp.Value[int64]
}

func newStart(parties int) (*start, error) {
	var s start
	var errs [3]error
	s.Ready, errs[0] = mp.NewBarrier(parties + 1)
	s.Set, errs[1] = mp.NewEvent()
	s.Opens, errs[2] = mp.NewValue[int64](0)
	return &s, errors.Join(errs[:]...)
}

// give waits until all are ready, and then says when the window opens.
func (s *start) give(ctx context.Context, budget time.Duration) error {
	if _, err := s.Ready.Wait(ctx); err != nil {
		return err
	}
	return errors.Join(s.Opens.Store(gauge.Opening(budget)), s.Set.Set())
}

func (s *start) wait(ctx context.Context) (opens int64, err error) {
	if _, err := s.Ready.Wait(ctx); err != nil {
		return 0, err
	}
	err = s.Set.Wait(ctx)
	return s.Opens.Load(), err
}
