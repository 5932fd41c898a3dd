package shm

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// SignalTree sends a signal to a process, by the caller's means, and to all its
// descendants: those that the table says have a living parent, whose parent has one,
// and so on up to root. If root is dead already, that is those that it left behind.
// It returns how many descendants got the signal.
//
// None is missed because it is being born: a process has its place in the table, and
// its parent's name there, before it is started. The table is gone through until it
// has nobody new, and only then is the first signal sent, because the death of one
// makes others end, whose children would then be nobody's. A place whose process has
// not joined yet is condemned: it never will. And if the signal is SIGKILL all are
// condemned as they are found, so that they have no more children.
func (a *Arena) SignalTree(root Incarnation, sig syscall.Signal, toRoot func() error) (n int, err error) {
	last := sig == syscall.SIGKILL
	if last {
		a.condemn(root)
	}
	family := map[Incarnation]bool{root: true}
	found := a.descendants(family, last)
	errs := []error{toRoot()}
	for len(found) > 0 {
		for _, i := range found {
			sent, err := a.signal(i, sig)
			if sent {
				n++
			}
			errs = append(errs, err)
		}
		found = a.descendants(family, last) // born before their parent got the signal
	}
	return n, errors.Join(errs...)
}

// descendants adds to the family all whose parents are in it, and returns those that
// are new.
func (a *Arena) descendants(family map[Incarnation]bool, last bool) (found []Incarnation) {
	for grown := true; grown; {
		grown = false
		for at := range a.slots {
			st := a.slots[at].load()
			i := makeIncarnation(at, st.gen())
			if !st.peopled() || family[i] || !family[st.owner()] {
				continue
			}
			if last || st.phase() == reserved {
				a.condemn(i)
			}
			family[i], grown = true, true
			found = append(found, i)
		}
	}
	return found
}

// condemn makes i have no children any more: neither a new one, nor one that is being
// born while i itself is. A process that reserves a place looks at this word after
// that; whoever condemns it looks for its children after that. So either the process
// gives the place back, or the child is found.
func (a *Arena) condemn(i Incarnation) {
	s := &a.slots[i.Slot()]
	for {
		was := s.condemned.Load()
		if st := s.load(); st.gen() != i.Generation() || !st.peopled() {
			return // a later process's word must not be written over; see tagged.set
		}
		step()
		if s.condemned.CompareAndSwap(was, i.Generation()) {
			return
		}
	}
}

func (a *Arena) isCondemned(i Incarnation) bool {
	look()
	return a.slots[i.Slot()].condemned.Load() == i.Generation()
}

// signal sends the signal to a process of the table, and to no other that was given
// its number; false if it is gone, or never joined: it was condemned before this, and
// sees that if it joins after it.
func (a *Arena) signal(i Incarnation, sig syscall.Signal) (sent bool, err error) {
	s, gen := &a.slots[i.Slot()], i.Generation()
	if st := s.load(); st.gen() != gen || st.phase() != alive {
		return false, nil
	}
	if namespace, _ := s.namespace.get(gen); namespace != ownNamespace() {
		return false, fmt.Errorf("shm: process %v is of another pid namespace: %w", i, errors.ErrUnsupported)
	}
	pid := s.processID(gen)
	if pid == 0 {
		return false, nil
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false, fmt.Errorf("shm: process %v: %w", i, err)
	}
	defer func() { _ = p.Release() }()
	// Looked at after p stands for the process, whoever it is.
	if started, _ := s.started.get(gen); !a.Alive(i) || recycled(pid, started) {
		return false, nil
	}
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, fmt.Errorf("shm: signal %v to process %v: %w", sig, i, err)
	}
	return true, nil
}
