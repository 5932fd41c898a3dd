package mp

import (
	"fmt"
	"slices"
	"sync"
)

// children are the processes that this one started and that are not gone yet.
var children struct {
	mu   sync.Mutex
	list []*Process
	born int // how many there ever were, for default names
}

// ActiveChildren lists the processes that this one started and that are alive.
// Python: active_children.
func ActiveChildren() []*Process {
	children.mu.Lock()
	defer children.mu.Unlock()
	return slices.Clone(children.list)
}

// enroll adds p to the children.
func (p *Process) enroll() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.list = append(children.list, p)
}

func (p *Process) strike() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.list = slices.DeleteFunc(children.list, func(q *Process) bool { return q == p })
}

// defaultName is "process-N", under a child "its name:N", as in Python.
func defaultName() string {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.born++
	if self.is {
		return fmt.Sprintf("%s:%d", self.info.Name, children.born)
	}
	return fmt.Sprintf("process-%d", children.born)
}
