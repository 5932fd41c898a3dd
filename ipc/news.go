package ipc

import (
	"math"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
)

// A news is a word in shared memory on which processes sleep until something
// changed elsewhere in shared memory.
//
//	bit  31      waiters: somebody may sleep; set by sleepers, cleared by publish
//	bits 30..0   counts the publications that had a reader
//
// The sleeper calls expect, then looks, then sleeps on the value that expect
// returned. The changer changes, then calls publish. If the sleeper looked before
// the change, waiters was set before publish looked at it; so publish changes the
// word, and the sleeper does not fall asleep, or is asleep already and is woken.
//
// publish may wake fewer than all, if the change is of use to only so many. As it
// clears waiters for all, those who sleep on depend on the one woken: if that one
// succeeds, it must call pass, which wakes one more; if it fails, it has set
// waiters again by expect. A kill of whoever was to publish or to pass is made up
// for by the death epoch.
type news struct{ word shared.Uint32 }

// expect announces a sleeper and returns the value to sleep on.
func (n *news) expect() uint32 {
	for { // again if a publication came between Load and CompareAndSwap
		v := n.word.Load()
		if v&waiters != 0 || n.word.CompareAndSwap(v, v|waiters) {
			return v | waiters
		}
	}
}

// publish wakes up to count sleepers. It costs one load if nobody sleeps.
func (n *news) publish(count int) {
	for { // again if a sleeper announced itself between Load and CompareAndSwap
		v := n.word.Load()
		if v&waiters == 0 {
			return
		}
		if n.word.CompareAndSwap(v, (v+1)&^waiters) {
			futex.Wake(&n.word, count)
			return
		}
	}
}

// pass wakes one more.
func (n *news) pass() { futex.Wake(&n.word, 1) }

// everybody is a count for publish.
const everybody = math.MaxInt32
