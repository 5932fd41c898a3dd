package ours

import (
	"context"
	"sync"

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
	Ready *mp.Barrier
}

// take pins the process and waits until everybody has.
func (p post) take(ctx context.Context) error {
	if err := pin(p.Job, p.Nth); err != nil {
		return err
	}
	_, err := p.Ready.Wait(ctx)
	return err
}
