package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/mpgo/mp"
)

// A storm is the rounds for one kind of object.
type storm struct {
	kind  kind
	kills int
	limit time.Duration
	rng   *rand.Rand

	props props
	l     legacy
	ready *mp.Queue[string]
	heir  *mp.Process

	result result
}

// A result is what a storm has done.
type result struct {
	name            string
	owners, waiters int             // killed
	times           []time.Duration // from the last kill before the heir's turn to that
	violations      []string
}

func newStorm(k kind, o options) *storm {
	return &storm{
		kind: k, kills: o.kills, limit: o.limit,
		rng:    rand.New(rand.NewPCG(o.seed, 0)),
		result: result{name: k.name},
	}
}

// run does all rounds. The error is one that has nothing to do with the objects, or
// ctx's.
func (s *storm) run(ctx context.Context) (result, error) {
	if err := s.begin(ctx); err != nil {
		return s.result, err
	}
	for round := range s.kills {
		err := s.round(ctx, int64(round+1))
		if ctx.Err() != nil {
			return s.result, ctx.Err()
		}
		if err != nil {
			s.violated("round %d: %v", round+1, err)
			break // who hangs will hang in the next round, too
		}
	}
	return s.result, s.end(ctx)
}

func (s *storm) violated(format string, args ...any) {
	s.result.violations = append(s.result.violations, fmt.Sprintf(format, args...))
}

// begin makes the objects and starts the heir.
func (s *storm) begin(ctx context.Context) (err error) {
	s.l.Kind = s.kind.name
	if s.props, err = newProps(); err != nil {
		return err
	}
	var errs [3]error
	s.l.Orders, errs[0] = mp.NewQueue[order](1)
	s.l.Reports, errs[1] = mp.NewQueue[report](2)
	s.ready, errs[2] = mp.NewQueue[string](4)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	s.heir, err = heir.Start(ctx, s.l, mp.WithName("heir"))
	return err
}

// end checks what is left, and gives it back.
func (s *storm) end(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	if len(s.result.violations) > 0 {
		endChildren()
	} else {
		if err := s.l.Orders.Close(); err != nil {
			return err
		}
		if err := s.heir.Wait(limited); err != nil {
			s.violated("the heir: %v", err)
		}
		if err := s.kind.check(limited, s.props); err != nil {
			s.violated("at the end: %v", err)
		}
	}
	return errors.Join(ctx.Err(), s.props.free(), s.l.Orders.Free(), s.l.Reports.Free(), s.ready.Free())
}

// round kills an owner and one who waits.
func (s *storm) round(ctx context.Context, number int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("nobody goes on for %v", s.limit))
	defer cancel()
	me := act{props: &s.props, round: number, ready: func() {}, got: func() {}}
	if s.kind.before != nil {
		if err := s.kind.before(ctx, me); err != nil {
			return err
		}
	}
	own, wait, err := s.cast(ctx, number)
	if err != nil {
		return hung(ctx, err)
	}
	kills, err := s.kill(ctx, own, wait)
	if err != nil {
		return hung(ctx, err)
	}
	if s.kind.mourn != nil {
		if err := s.kind.mourn(ctx, me); err != nil {
			return hung(ctx, err)
		}
	}
	return hung(ctx, s.inherited(ctx, number, kills))
}

// hung is a better name for the error of a round that took too long.
func hung(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// cast starts the two who will be killed, and has the heir wait. A waker comes last.
func (s *storm) cast(ctx context.Context, number int64) (own, wait *mp.Process, err error) {
	if !s.kind.wakes {
		if own, err = s.start(ctx, owner, number); err != nil {
			return nil, nil, err
		}
	}
	if err = s.l.Orders.Put(ctx, order{number, s.props}); err != nil {
		return nil, nil, err
	}
	if r, err := s.l.Reports.Get(ctx); err != nil || r != (report{Round: number}) {
		return nil, nil, fmt.Errorf("the heir says %+v where it should begin: %w", r, err)
	}
	if wait, err = s.start(ctx, waiter, number); err != nil {
		return nil, nil, err
	}
	if s.kind.wakes {
		own, err = s.start(ctx, owner, number)
	}
	return own, wait, err
}

// start starts a victim and returns when it is ready.
func (s *storm) start(ctx context.Context, role string, number int64) (*mp.Process, error) {
	p, err := victim.Start(context.Background(), part{s.kind.name, role, number, s.props, s.ready}, mp.WithName(role))
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
	said, err := s.ready.Get(lives)
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
func (s *storm) kill(ctx context.Context, own, wait *mp.Process) (kills [2]time.Time, err error) {
	victims := [2]*mp.Process{own, wait}
	if s.rng.IntN(2) == 1 {
		victims[0], victims[1] = wait, own
	}
	for i, p := range victims {
		s.dawdle()
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
	s.result.owners++
	s.result.waiters++
	return kills, nil
}

// dawdle passes a random moment, busily: a sleep would be far longer.
func (s *storm) dawdle() {
	for end := time.Now().Add(time.Duration(s.rng.Int64N(int64(moment)))); time.Now().Before(end); {
	}
}

// inherited waits until the heir has had its turn.
func (s *storm) inherited(ctx context.Context, number int64, kills [2]time.Time) error {
	r, err := s.l.Reports.Get(ctx)
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
			s.result.times = append(s.result.times, since)
			break
		}
	} // else the owner was a waker, and had done so before it was killed
	return nil
}
