package mp

import (
	"context"
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"
)

// In these feats another process has died in the middle of something before the victim
// begins. The victim takes over what that one left, and is killed while it does so.
func init() {
	short.addHeirs("")
	long.addHeirs(" of a long message")
}

// addHeirs adds what can be done with a queue of either kind of messages when a process
// that used it is dead.
func (l lane[T]) addHeirs(what string) {
	large := what != ""
	queue := func(s *scene) *Queue[T] { return *l.of(s) }
	checkRoom := func(check func(p *ordeal)) func(p *ordeal) {
		return func(p *ordeal) {
			check(p)
			l.checkRoom(p)
		}
	}
	for how, take := range map[string]func(q *Queue[T]) error{
		"begun to get": func(q *Queue[T]) error { _, err := q.view.TryTake(); return err },
		"received":     func(q *Queue[T]) error { _, err := q.TryReceive(); return err },
	} {
		from := fmt.Sprintf("%s that a dead process had %s", what, how)
		feats["Queue.Get"+from] = feat{
			large: large,
			lay:   func(p *ordeal) { l.layLeased(p, 1, 2, 3) },
			dead:  func(_ context.Context, s *scene) error { return take(queue(s)) },
			do:    func(ctx context.Context, s *scene) error { _, err := queue(s).Get(ctx); return err },
			check: checkRoom(l.checkGet),
		}
		feats["Queue.Receive"+from] = feat{
			large: large,
			lay:   func(p *ordeal) { l.layLeased(p, 1, 2, 3) },
			dead:  func(_ context.Context, s *scene) error { return take(queue(s)) },
			do:    func(ctx context.Context, s *scene) error { _, err := queue(s).Receive(ctx); return err },
			check: checkRoom(func(p *ordeal) { l.checkLeases(p, 1, true) }),
		}
	}
	feats["Queue.Receive"+what+" whose last receiver is dead"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.layMortal(p, 1) },
		dead:  func(ctx context.Context, s *scene) error { _, err := queue(s).Receive(ctx); return err },
		do: func(_ context.Context, s *scene) error {
			if _, err := queue(s).TryReceive(); !errors.Is(err, ErrEmpty) {
				return fmt.Errorf("not a dead letter: %w", err)
			}
			return nil
		},
		check: checkRoom(func(p *ordeal) {
			l.puts(p, 2, 3)
			require.Zero(p, l.checkBurial(p))
		}),
	}
	feats["Queue.Put"+what+" where a dead producer was"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.lay(p, 3) },
		dead:  func(ctx context.Context, s *scene) error { return l.leaveHole(ctx, s, 1, 2) },
		do:    func(ctx context.Context, s *scene) error { return queue(s).Put(ctx, l.letter(3)) },
		check: checkRoom(func(p *ordeal) {
			l.gets(p, 1) // its place is for 4
			l.puts(p, 4)
			l.gets(p, 2)
			l.getsRest(p)
		}),
	}
	feats["Queue.Get"+what+" behind a dead producer's"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.lay(p, 4) },
		dead:  func(ctx context.Context, s *scene) error { return l.leaveHole(ctx, s, 1, 2, 3) },
		do:    func(ctx context.Context, s *scene) error { _, err := queue(s).Get(ctx); return err },
		check: checkRoom(l.checkGet),
	}
}

// leaveHole claims a place for a message that will never come, and puts numbers behind it.
func (l lane[T]) leaveHole(ctx context.Context, s *scene, numbers ...int64) error {
	_, err := (*l.of(s)).view.TryClaim()
	for _, n := range numbers {
		err = errors.Join(err, l.put(ctx, s, n))
	}
	return err
}
