package mp

import (
	"context"
	"runtime"
	"time"

	"github.com/mpgo/mp/internal/spin"
)

// How long somebody spins for an answer before it parks: twice as long as it took
// lately, between these bounds. A worker that is at work on the answer sends it
// within the lower one; a round trip through the kernel takes about the upper one.
const (
	minPatience = 5 * time.Microsecond
	maxPatience = 50 * time.Microsecond

	spinPause = 8  // pauses between two looks
	spinLooks = 16 // looks between two readings of the clock
)

// attend begins a time in which the caller collects, or awaits, again and again, and
// then leaves. mu is held meanwhile, but while waiting.
func (l *poolLedger) attend() {
	l.mu.Lock()
	l.attending++
}

// leave ends it, without need.
func (l *poolLedger) leave() {
	l.attending--
	if l.unread() {
		l.arm(watchEvery)
	}
	l.mu.Unlock()
}

// unattend is leave for who will not be back soon.
func (l *poolLedger) unattend() {
	l.attending--
	l.settled()
	l.mu.Unlock()
}

// unread reports whether answers are to come that nobody is going to read.
func (l *poolLedger) unread() bool { return l.needsClerk() && !l.active }

// settled sees to it that somebody reads the answers.
func (l *poolLedger) settled() {
	if l.unread() {
		l.active = true
		l.clerk <- struct{}{} // has room: the clerk took the last one before it became inactive
	}
}

// watchEvery is how long answers may lie unread because somebody left who often is
// back at once: a loop over the results of a map, or one call after the other. To wake
// the clerk each time would cost more than all the rest.
const watchEvery = 100 * time.Microsecond

// arm makes the watchdog look after that time, or before.
func (l *poolLedger) arm(d time.Duration) {
	if !l.armed {
		l.armed = true
		l.watchdog.Reset(d)
	}
}

// check is what the watchdog does.
func (l *poolLedger) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	l.collect()
	l.balance(now(), 0)
	l.settled()
}

// await waits until there is news of the job. The error is ctx's cause if that ends
// first. The caller attends.
func (l *poolLedger) await(ctx context.Context, j *job) error {
	for {
		if l.collect(); !j.news {
			l.spin(ctx, j)
		}
		if j.news {
			return nil
		}
		if err := l.park(ctx, j); err != nil && !j.news {
			return err
		}
	}
}

// park waits until the clerk, or somebody else, brings news of the job.
func (l *poolLedger) park(ctx context.Context, j *job) error {
	l.balance(now(), 0)
	wake := j.channel()
	j.idle = true
	l.unattend()
	defer l.attend()
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// spin collects until there is news of the job, or patience or ctx ends; one goroutine
// of the pool at a time. mu is held at the beginning and at the end.
func (l *poolLedger) spin(ctx context.Context, j *job) {
	if l.spinning || !spin.Worthwhile() {
		return
	}
	l.spinning = true
	begin := now()
	took, patience := time.Duration(0), max(l.patience, l.atLeast)
	for ; !j.news && took < patience && ctx.Err() == nil; took = now() - begin {
		l.look(func() bool { return j.news })
		l.balance(begin+took, stalled)
	}
	l.spinning = false
	l.learn(took, j.news)
}

// look collects some times, until enough. mu is held at the beginning and at the end,
// and not in between.
func (l *poolLedger) look(enough func() bool) {
	l.mu.Unlock()
	for range spinLooks {
		spin.Pause(spinPause)
		if !l.mu.TryLock() {
			continue // somebody else collects
		}
		if l.collect(); enough() {
			return
		}
		l.mu.Unlock()
	}
	runtime.Gosched()
	l.mu.Lock()
}

// learn changes the patience for the next time.
func (l *poolLedger) learn(took time.Duration, success bool) {
	if success {
		l.patience = (l.patience + min(2*took+minPatience, maxPatience)) / 2
	} else {
		l.patience -= (l.patience - minPatience) / 8
	}
}

// keepBooks is the clerk: it reads answers while nobody attends and some are to come.
func (l *poolLedger) keepBooks() {
	for {
		select {
		case <-l.clerk:
		case <-l.ended:
			return
		}
		l.mu.Lock()
		for patience := minPatience; l.needsClerk(); patience = maxPatience {
			if l.watch(patience); l.needsClerk() {
				l.sleep()
			}
		}
		l.active = false
		l.mu.Unlock()
	}
}

// needsClerk reports whether nobody else reads answers that are to come.
func (l *poolLedger) needsClerk() bool { return l.inflight+l.starting > 0 && l.attending == 0 }

// watch collects as long as there is something every now and then. Who has slept is more
// patient with the first answer: a worker that has done its function wakes it before that
// is there (Rouse).
func (l *poolLedger) watch(patience time.Duration) {
	if l.spinning || !spin.Worthwhile() {
		return
	}
	l.spinning = true
	last, answers := now(), l.counts.Done
	for at := last; l.needsClerk() && at-last < patience; at = now() {
		l.look(func() bool { return !l.needsClerk() })
		if l.counts.Done != answers {
			last, answers, patience = at, l.counts.Done, minPatience
		}
		l.balance(at, stalled)
	}
	l.spinning = false
}

// sleep sleeps until a worker has answered, or the workers are others.
func (l *poolLedger) sleep() {
	l.balance(now(), 0)
	l.lookout.Announce(l.readers)
	if l.collect() > 0 || !l.needsClerk() {
		return
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	if err := l.lookout.Sleep(); err != nil {
		time.Sleep(time.Millisecond) // it cannot sleep for all of them, so it looks again
	}
}
