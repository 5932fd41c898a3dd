package storm

import "slices"

// An act is one thing that hands do with the world.
type act struct {
	name   string
	weight int // how often it is picked, relative to the others

	do func(*hand) error

	// help lets those go on who wait in it, so that nobody waits for hands who happen
	// to do something else. The captain calls it again and again; nil for nothing.
	help func(h *hand, n news) error

	// audit finds what is not as it must be when all hands are at rest. It is told what
	// those who were killed have left.
	audit func(h *hand, t tally) error
}

// news are what the captain knows of a watch.
type news struct {
	tally tally // of the act
	over  bool  // the bell has rung
}

// acts are all acts; pages refer to them by their index.
var acts = slices.Concat(bankActs, counterActs, permitActs, meetingActs, stockActs, messageActs, familyActs, hoardActs)

var allWeights = func() (sum int) {
	for _, a := range acts {
		sum += a.weight
	}
	return sum
}()
