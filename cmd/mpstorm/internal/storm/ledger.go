package storm

import (
	"fmt"

	"github.com/mpgo/mp"
)

// A Ledger has an entry for each message that was ever to be put into a queue in a
// watch. An entry counts in bytes, which any process can raise:
type Ledger = *mp.Array[int64]

const (
	begun   int64 = 1       // it is about to be put
	refused int64 = 1 << 8  // it was not put: there was an error
	put     int64 = 1 << 16 // Put has returned nil
	got     int64 = 1 << 24 // somebody has it for good, or is about to acknowledge it
)

// The first word is how many entries are in use; entries begin behind it, and are the
// messages' numbers.
const (
	used    = 0
	entries = 1 << 16
	reserve = 1 << 12 // of them are for the captain alone, who must never be at a loss
)

func newLedger() (Ledger, error) { return mp.NewArray[int64](1 + entries) }

// number begins n new entries and returns the first; false if the ledger has no more
// than spare left.
func number(l Ledger, n, spare int) (first int64, ok bool) {
	room := int64(entries - spare)
	if load(l, used)+int64(n) > room {
		return 0, false
	}
	last := mp.AddAt(l, used, int64(n))
	if last > room { // others came at the same time; what is left over is nobody's
		return 0, false
	}
	first = last - int64(n) + 1
	for i := range int64(n) {
		mark(l, first+i, begun)
	}
	return first, true
}

// mark raises one of an entry's counts, and reports whether there is such an entry.
func mark(l Ledger, number, what int64) bool {
	if number < 1 || number > entries {
		return false
	}
	mp.AddAt(l, int(number), what)
	return true
}

func times(entry, what int64) int { return int(entry / what & 0xff) }

// An account is what a ledger says in sum.
type account struct {
	lost   int // put, and nobody has it
	twice  int // more than one has it
	ghosts int // somebody has it, and it was not put, or was refused
	vague  int // neither put nor refused: its producer was killed
	first  string
}

// sumUp reads a ledger when nobody writes it and the queue is empty.
func sumUp(l Ledger) (a account) {
	for n := range min(load(l, used), entries) {
		e := load(l, int(n+1))
		odd := true
		switch how := times(e, got); {
		case how > 1:
			a.twice++
		case how == 1 && (times(e, begun) != 1 || times(e, refused) > 0):
			a.ghosts++
		case how == 0 && times(e, put) == 1:
			a.lost++
		default:
			odd = false
		}
		if times(e, begun) == 1 && times(e, put)+times(e, refused) == 0 {
			a.vague++
		}
		if odd && a.first == "" {
			a.first = fmt.Sprintf("; the first is message %d: begun %d, refused %d, put %d, got %d",
				n+1, times(e, begun), times(e, refused), times(e, put), times(e, got))
		}
	}
	return a
}

// check is an error if more was lost, or delivered twice, than may be.
func (a account) check(lost, twice, vague int) error {
	if a.lost > lost || a.twice > twice || a.ghosts > 0 || a.vague > vague {
		return fmt.Errorf("%d messages lost (the dead can have had %d), %d there twice (%d), %d that were not put, %d of which nobody knows (%d)%s",
			a.lost, lost, a.twice, twice, a.ghosts, a.vague, vague, a.first)
	}
	return nil
}
