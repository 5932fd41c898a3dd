package mp

import "sync"

// A backlog is a pool's tasks that no worker has yet, first come first served.
// Any goroutine may put tasks in; the drivers of the pool's workers take them
// out.
type backlog struct {
	mu     sync.Mutex
	change sync.Cond // a task came, the backlog was closed, or something else a taker should look at
	tasks  []*task
	closed error // why no more tasks are taken in
}

func newBacklog() *backlog {
	b := new(backlog)
	b.change.L = &b.mu
	return b
}

// put adds a task at the end, or says why not.
func (b *backlog) put(t *task) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed != nil {
		return b.closed
	}
	b.tasks = append(b.tasks, t)
	b.change.Signal()
	return nil
}

// putBack adds a task that was taken out but not begun at the front, also when
// the backlog is closed.
func (b *backlog) putBack(t *task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = append([]*task{t}, b.tasks...)
	b.change.Signal()
}

// take waits for a task. It returns nil when the backlog is closed and empty, or
// when wanted says that this taker should see to something else.
func (b *backlog) take(wanted func() bool) *task {
	b.mu.Lock()
	defer b.mu.Unlock()
	for wanted() {
		for len(b.tasks) > 0 {
			t := b.tasks[0]
			b.tasks[0] = nil
			b.tasks = b.tasks[1:]
			if t.begin() {
				return t
			}
		}
		if b.closed != nil {
			return nil
		}
		b.change.Wait()
	}
	return nil
}

// close takes no more tasks in; those that are in stay.
func (b *backlog) close(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed == nil {
		b.closed = why
	}
	b.change.Broadcast()
}

// drop removes all tasks and returns them.
func (b *backlog) drop() []*task {
	b.mu.Lock()
	defer b.mu.Unlock()
	tasks := b.tasks
	b.tasks = nil
	b.change.Broadcast()
	return tasks
}

// done reports whether the backlog is closed and empty.
func (b *backlog) done() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed != nil && len(b.tasks) == 0
}

// kick makes all takers ask whether they are still wanted.
func (b *backlog) kick() { b.change.Broadcast() }
