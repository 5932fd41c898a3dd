package succession

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/cmd/mpstorm/internal/children"
)

// A trial is the rounds for one kind of object.
type trial struct {
	kind  Kind
	kills int
	limit time.Duration
	rng   *rand.Rand

	props props
	l     legacy
	ready *mp.Queue[string]
	heir  *mp.Process

	result result
}

// A result is what a trial has shown.
type result struct {
	name            string
	owners, waiters int             // killed
	times           []time.Duration // from the last kill before the heir's turn to that
	violations      []string
}

func newTrial(k Kind, o Options) *trial {
	return &trial{
		kind: k, kills: o.Kills, limit: o.Limit,
		rng:    rand.New(rand.NewPCG(o.Seed, 0)),
		result: result{name: k.name},
	}
}

// run does all rounds. The error is one that has nothing to do with the objects, or
// ctx't.
func (t *trial) run(ctx context.Context) (result, error) {
	if err := t.begin(ctx); err != nil {
		return t.result, err
	}
	for round := range t.kills {
		err := t.round(ctx, int64(round+1))
		if err != nil {
			hear(ctx)
		}
		if ctx.Err() != nil {
			return t.result, ctx.Err()
		}
		if err != nil {
			t.violated("round %d: %v", round+1, err)
			break // who hangs will hang in the next round, too
		}
	}
	return t.result, t.end(ctx)
}

// hear waits a moment for ctx to end. Ctrl-C comes to all processes at once: a child that
// has only just begun may have ended of it before this process is told.
func hear(ctx context.Context) {
	const moment = 200 * time.Millisecond
	select {
	case <-ctx.Done():
	case <-time.After(moment):
	}
}

func (t *trial) violated(format string, args ...any) {
	t.result.violations = append(t.result.violations, fmt.Sprintf(format, args...))
}

// begin makes the objects and starts the heir.
func (t *trial) begin(ctx context.Context) (err error) {
	t.l.Kind = t.kind.name
	if t.props, err = newProps(); err != nil {
		return err
	}
	var errs [3]error
	t.l.Orders, errs[0] = mp.NewQueue[order](1)
	t.l.Reports, errs[1] = mp.NewQueue[report](2)
	t.ready, errs[2] = mp.NewQueue[string](4)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	t.heir, err = heir.Start(ctx, t.l, mp.WithName("heir"))
	return err
}

// end checks what is left, and gives it back.
func (t *trial) end(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	if len(t.result.violations) > 0 {
		children.End()
	} else {
		if err := t.l.Orders.Close(); err != nil {
			return err
		}
		if err := t.heir.Wait(limited); err != nil {
			t.violated("the heir: %v", err)
		}
		if err := t.kind.check(limited, t.props); err != nil {
			t.violated("at the end: %v", err)
		}
	}
	return errors.Join(ctx.Err(), t.props.free(), t.l.Orders.Free(), t.l.Reports.Free(), t.ready.Free())
}

// round kills an owner and one who waits.
func (t *trial) round(ctx context.Context, number int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.limit, fmt.Errorf("nobody goes on for %v", t.limit))
	defer cancel()
	me := act{props: &t.props, round: number, ready: func() {}, got: func() {}}
	if t.kind.before != nil {
		if err := t.kind.before(ctx, me); err != nil {
			return err
		}
	}
	own, wait, err := t.cast(ctx, number)
	if err != nil {
		return hung(ctx, err)
	}
	kills, err := t.kill(ctx, own, wait)
	if err != nil {
		return hung(ctx, err)
	}
	if t.kind.mourn != nil {
		if err := t.kind.mourn(ctx, me); err != nil {
			return hung(ctx, err)
		}
	}
	return hung(ctx, t.inherited(ctx, number, kills))
}

// hung is a better name for the error of a round that took too long.
func hung(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// cast starts the two who will be killed, and has the heir wait. A waker comes last.
func (t *trial) cast(ctx context.Context, number int64) (own, wait *mp.Process, err error) {
	if !t.kind.wakes {
		if own, err = t.start(ctx, owner, number); err != nil {
			return nil, nil, err
		}
	}
	if err = t.l.Orders.Put(ctx, order{number, t.props}); err != nil {
		return nil, nil, err
	}
	if r, err := t.l.Reports.Get(ctx); err != nil || r != (report{Round: number}) {
		return nil, nil, fmt.Errorf("the heir says %+v where it should begin: %w", r, err)
	}
	if wait, err = t.start(ctx, waiter, number); err != nil {
		return nil, nil, err
	}
	if t.kind.wakes {
		own, err = t.start(ctx, owner, number)
	}
	return own, wait, err
}

// start starts a victim and returns when it is ready.
func (t *trial) start(ctx context.Context, role string, number int64) (*mp.Process, error) {
	p, err := victim.Start(context.Background(), part{t.kind.name, role, number, t.props, t.ready}, mp.WithName(role))
	if err != nil {
		return nil, err
	}
	lives, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.Done():
			cancel()
		case <-lives.Done():
		}
	}()
	said, err := t.ready.Get(lives)
	switch {
	case err != nil && !p.Alive():
		return nil, fmt.Errorf("the %s ended before it was ready: %w", role, p.Wait(ctx))
	case err != nil:
		return nil, fmt.Errorf("the %s does not get ready: %w", role, err)
	case said != role:
		return nil, fmt.Errorf("the %s says that it is %q", role, said)
	}
	return p, nil
}

// moment is how long a kill is put off at most.
const moment = 200 * time.Microsecond

// kill kills both, in any order, and returns when they are gone, with the times.
func (t *trial) kill(ctx context.Context, own, wait *mp.Process) (kills [2]time.Time, err error) {
	victims := [2]*mp.Process{own, wait}
	if t.rng.IntN(2) == 1 {
		victims[0], victims[1] = wait, own
	}
	for i, p := range victims {
		t.dawdle()
		kills[i] = time.Now()
		if err := p.Kill(); err != nil {
			return kills, fmt.Errorf("%v: %w", p, err)
		}
	}
	for _, p := range victims {
		var exit *mp.ExitError
		if err := p.Wait(ctx); !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
			return kills, fmt.Errorf("the %s was not killed but ended: %w", p.Name(), err)
		}
	}
	t.result.owners++
	t.result.waiters++
	return kills, nil
}

// dawdle passes a random moment, busily: a sleep would be far longer.
func (t *trial) dawdle() {
	for end := time.Now().Add(time.Duration(t.rng.Int64N(int64(moment)))); time.Now().Before(end); {
	}
}

// inherited waits until the heir has had its turn.
func (t *trial) inherited(ctx context.Context, number int64, kills [2]time.Time) error {
	r, err := t.l.Reports.Get(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("the heir says nothing: %w", err)
	case r.Round != number:
		return fmt.Errorf("the heir speaks of round %d", r.Round)
	case r.Err != "":
		return fmt.Errorf("the heir: %s", r.Err)
	}
	got := time.Unix(0, r.Got)
	for _, kill := range []time.Time{kills[1], kills[0]} {
		if since := got.Sub(kill); since >= 0 {
			t.result.times = append(t.result.times, since)
			break
		}
	} // else the owner was a waker, and had done so before it was killed
	return nil
}
