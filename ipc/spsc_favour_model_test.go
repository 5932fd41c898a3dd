package ipc

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The protocol of the favour, in all ways in which a goroutine that pushes and one that
// withdraws can take their steps on a machine whose CPUs keep their stores to
// themselves for a while, in order (as amd64). Each way in which the protocol could be
// simpler is shown to be wrong.
func TestFavourProtocol(t *testing.T) {
	for name, m := range map[string]favourModel{
		"as it is":                             {right: true},
		"without the barrier":                  {noBarrier: true},
		"without the second look":              {noSecondLook: true},
		"without waiting for what is begun":    {noWait: true},
		"with the position read a second time": {rereads: true},
		"given back before all is done":        {givesBackEarly: true},
		"taken for given back when it is not":  {neverWaits: true},
		"next of who has given it back":        {readsNext: true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, m.right, m.holds(t))
		})
	}
}

// A favourModel is the protocol, or what it would be with something left out.
type favourModel struct {
	right, noBarrier, noSecondLook, noWait, rereads, givesBackEarly, neverWaits, readsNext bool
}

// What the two share, by number.
const (
	modelTo = iota
	modelNext
	modelShared
	modelDone
)

const modelPushes = 3

// A modelStore is a store that only its own CPU sees yet.
type modelStore struct{ word, value int8 }

// Where the goroutine that pushes is, and the one that withdraws. The numbers and
// letters are those of the essay at favour.
type favourStep string

// A favourState is everything there is. pending are the stores of the one who pushes;
// the one who withdraws does everything by operations that wait for its stores.
type favourState struct {
	memory   [4]int8
	pending  [4]modelStore
	stores   int
	push     favourStep
	at       int8 // the position it pushes at
	withdraw favourStep
	position int8 // what it takes for the position
}

// holds reports whether nobody ever pushes while the lock is held by one who has
// withdrawn the favour, and that one knows the position.
func (m favourModel) holds(t *testing.T) bool {
	begin := favourState{memory: [4]int8{modelTo: 1}, push: "1", withdraw: "a"}
	seen := map[favourState]bool{begin: true}
	for todo := []favourState{begin}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s.withdraw == "holds the lock" && !s.sound() {
			return false
		}
		next := slices.Concat(s.flush(), m.pushes(s), m.withdraws(s))
		if len(next) == 0 {
			require.Equal(t, favourStep("holds the lock"), s.withdraw, "somebody waits for ever: %+v", s)
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return true
}

// sound reports whether the lock's holder may go on from its position.
func (s favourState) sound() bool {
	return s.push != "4" && s.push != "5" && s.push != "6" && s.load(modelShared) == s.position
}

// load is what the one who pushes sees.
func (s favourState) load(word int8) int8 {
	for i := s.stores - 1; i >= 0; i-- {
		if s.pending[i].word == word {
			return s.pending[i].value
		}
	}
	return s.memory[word]
}

func (s favourState) store(word, value int8) favourState {
	s.pending[s.stores] = modelStore{word, value}
	s.stores++
	return s
}

// flush lets everybody see the oldest pending store.
func (s favourState) flush() []favourState {
	if s.stores == 0 {
		return nil
	}
	oldest := s.pending[0]
	s.memory[oldest.word] = oldest.value
	copy(s.pending[:], s.pending[1:s.stores])
	s.stores--
	s.pending[s.stores] = modelStore{}
	return []favourState{s}
}

// pushes are the states after one step of the one who pushes. A full buffer makes it
// wait.
func (m favourModel) pushes(s favourState) []favourState {
	if s.stores == len(s.pending) {
		return nil
	}
	switch s.push {
	case "1":
		s.push = "2" // whoever was favoured once may think so for ever
		if s.load(modelShared) == modelPushes {
			s.push = "done"
			break
		}
		return []favourState{s, s.givenBack()}
	case "2":
		s.at = s.load(modelNext)
		s = s.store(modelNext, s.at+1)
		s.push = "3"
	case "3":
		s.push = "4"
		if s.load(modelTo) == 0 && !m.noSecondLook {
			s = s.store(modelNext, s.at)
			s.push = "1"
		}
	case "4":
		s.push = "5"
		if m.givesBackEarly {
			return []favourState{s, s.givenBack()}
		}
	case "5":
		s = s.store(modelShared, s.at+1)
		s.push = "6"
	case "6":
		s = s.store(modelDone, s.at+1)
		s.push = "1"
	default:
		return nil
	}
	return []favourState{s}
}

// givenBack is the state after the one who pushes has given the favour back, for which
// it waits for its stores. That who gives it back early goes on to push nevertheless.
func (s favourState) givenBack() favourState {
	for s.stores > 0 {
		s = s.flush()[0]
	}
	s.memory[modelTo] = 0
	if s.push == "2" {
		s.push = "1"
	}
	return s
}

// withdraws are the states after one step of the one who withdraws.
func (m favourModel) withdraws(s favourState) []favourState {
	switch s.withdraw {
	case "a":
		s.withdraw = "a, not given back"
		if s.memory[modelTo] == 0 || m.neverWaits {
			s.position = s.memory[modelDone]
			if m.readsNext {
				s.position = s.memory[modelNext]
			}
			s.withdraw = "holds the lock"
		}
	case "a, not given back":
		s.memory[modelTo] = 0
		s.withdraw = "b"
	case "b":
		for !m.noBarrier && s.stores > 0 {
			s = s.flush()[0]
		}
		s.withdraw = "c"
	case "c":
		s.position = s.memory[modelNext]
		s.withdraw = "compare"
	case "compare":
		switch {
		case s.position != s.memory[modelDone] && !m.noWait:
			s.withdraw = "c"
		case m.rereads:
			s.withdraw = "read again"
		default:
			s.withdraw = "holds the lock"
		}
	case "read again":
		s.position = s.memory[modelNext]
		s.withdraw = "holds the lock"
	default:
		return nil
	}
	return []favourState{s}
}
