package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/mpgo/mp"
)

// An office is a pool of the captain, whose workers are killed, too. Each call must
// end: with its result, or because its worker died.
type office struct {
	ctx   context.Context
	rng   *rand.Rand
	logs  Logs
	limit time.Duration

	pool    *mp.Pool
	effects *mp.Value[int64] // one for each call that was begun
	done    int64            // calls with a result
	died    int64            // that failed with their worker
	crashed bool             // the pool has given up, because its workers kept dying
	gaveUp  int              // pools that did

	mu    sync.Mutex
	blows map[int]time.Time // when a worker was killed, by its pid
}

// A Job is one call.
type Job struct {
	N       int
	Work    time.Duration
	Effects *mp.Value[int64]
}

// job raises the number of effects and returns twice N.
var job = mp.Register("mpstorm.job", func(_ context.Context, j Job) (int, error) {
	ignoreInterrupt()
	defer j.Effects.Free()
	if _, err := mp.Add(j.Effects, 1); err != nil {
		return 0, err
	}
	for end := time.Now().Add(j.Work); time.Now().Before(end); {
	}
	return 2 * j.N, nil
})

var ignoreInterrupt = sync.OnceFunc(func() { signal.Ignore(os.Interrupt) })

// clerks is how many workers an office has.
const clerks = 2

func newOffice(ctx context.Context, rng *rand.Rand, l Logs, limit time.Duration) (o *office, err error) {
	o = &office{ctx: ctx, rng: rng, logs: l, limit: limit, blows: make(map[int]time.Time)}
	if o.effects, err = mp.NewValue(int64(0)); err != nil {
		return nil, err
	}
	return o, o.open()
}

// strike kills a worker.
func (o *office) strike(w *wind) {
	var workers []*mp.Process
	for _, p := range mp.ActiveChildren() {
		if !strings.HasPrefix(p.Name(), "sailor") {
			workers = append(workers, p)
		}
	}
	if len(workers) == 0 {
		return
	}
	p := workers[w.rng.IntN(len(workers))]
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blows[p.PID()] = time.Now()
	if p.Kill() == nil {
		w.workers.Add(1)
	}
}

// work makes calls until ctx ends.
func (o *office) work(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := o.batch(); err != nil {
			return fmt.Errorf("pool: %w", err)
		}
	}
	return nil
}

// batch makes some calls at once.
func (o *office) batch() error {
	if o.pool == nil {
		return o.open()
	}
	n := 1 + o.rng.IntN(64)
	var futures []*mp.Future[int]
	for i := range n {
		j := Job{N: i, Work: time.Duration(o.rng.Int64N(int64(200 * time.Microsecond))), Effects: o.effects}
		futures = append(futures, job.Go(o.ctx, o.pool, j))
	}
	ctx, cancel := context.WithTimeoutCause(o.ctx, o.limit, errHang)
	defer cancel()
	for i, f := range futures {
		v, err := f.Get(ctx)
		if err := o.judge(i, v, err); err != nil {
			return err
		}
	}
	if o.crashed {
		o.abandon()
	}
	return nil
}

// judge notes what became of a call.
func (o *office) judge(n, result int, err error) error {
	var dead *mp.WorkerDiedError
	switch {
	case err == nil && result != 2*n:
		return fmt.Errorf("twice %d is %d", n, result)
	case err == nil:
		o.done++
		return nil
	case errors.As(err, &dead):
		o.died++
		o.mu.Lock()
		defer o.mu.Unlock()
		if at, ok := o.blows[dead.PID]; ok {
			delete(o.blows, dead.PID)
			o.logs.took(clockPool, time.Since(at))
		}
		return nil
	case errors.Is(err, mp.ErrCrashLoop):
		o.crashed = true
		return nil
	case full(err) || o.ctx.Err() != nil:
		return nil
	}
	return err
}

// open takes a pool, if there is memory for one.
func (o *office) open() (err error) {
	o.pool, err = mp.NewPool(o.ctx, clerks, mp.WithWarmStart())
	if full(err) {
		time.Sleep(time.Millisecond) // until others give memory back
		return nil
	}
	return err
}

// abandon gives a pool up that has given up itself.
func (o *office) abandon() {
	_ = o.pool.Stop() // it says again why
	o.pool, o.crashed = nil, false
	o.gaveUp++
}

// audit compares the effects with what is known of the calls.
func (o *office) audit() error {
	n := o.effects.Load()
	if n < o.done || n > o.done+o.died {
		return fmt.Errorf("pool: %d calls have had an effect, %d returned, %d died with their worker", n, o.done, o.died)
	}
	return nil
}

func (o *office) close() error {
	if o.pool == nil {
		return o.effects.Free()
	}
	return errors.Join(o.pool.Close(), o.effects.Free())
}
