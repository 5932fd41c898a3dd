//go:build explore

package ipc

import (
	"testing"

	"github.com/mpgo/mp/internal/testkit"
)

func TestMutants(t *testing.T) { testkit.Mutants(t, mutants) }

var mutants = []testkit.Mutant{
	{
		Mistake: "drop the epoch check", File: "wait.go", Model: "mutex/two", Failure: "deadlock",
		Right: "{Word: word, Val: seen}, {Word: g.epoch, Val: epoch}, {Word: &g.bell, Val: bell}}",
		Wrong: "{Word: word, Val: seen}, {Word: &g.bell, Val: bell}}\n\t\t_ = epoch",
	}, {
		Mistake: "wake before publish", File: "event.go", Model: "event", Failure: "deadlock",
		Right: "if e.state.word.CompareAndSwap(v, (v+2)&eventCount|eventSet) {\n\t\t\tif v&waiters != 0 {\n\t\t\t\tfutex.WakeAll(&e.state.word)\n\t\t\t}",
		Wrong: "if v&waiters != 0 {\n\t\t\tfutex.WakeAll(&e.state.word)\n\t\t}\n\t\tif e.state.word.CompareAndSwap(v, (v+2)&eventCount|eventSet) {",
	}, {
		Mistake: "skip the lease scan", File: "ring_get.go", Model: "lease/get", Failure: "message|on lease",
		Right: "if leases != nil && c.ring.lender.lent(",
		Wrong: "if false && c.ring.lender.lent(",
	}, {
		Mistake: "free the cell before the copy", File: "ring_get.go", Model: "ring/two producers", Failure: "message|got",
		Right: "buf = append(buf, msg...)\n\tt.Release()",
		Wrong: "t.Release()\n\tbuf = append(buf, msg...)",
	}, {
		Mistake: "take over on the hint alone", File: "ring_get.go", Model: "ring/one each", Failure: "lost|cells can be used",
		Right: "case !ownerDead(c.ring.d, ownerOf(state)):",
		Wrong: "case c.head.Load() != pos: // so it is behind head, and must be a dead one's",
	}, {
		Mistake: "forget to help tail", File: "ring_put.go", Model: "ring/two producers", Failure: "cells can be used",
		Right: "return c.help(pos, ahead)",
		Wrong: "return ErrFull",
	}, {
		Mistake: "forget WAITERS on re-acquire", File: "mutexstate.go", Model: "mutex/three", Failure: "deadlock",
		Right: "p.as = p.m.me | waiters",
		Wrong: "p.as = p.m.me",
	}, {
		Mistake: "reuse a generation", File: "lease.go", Model: "lease/one slot", Failure: "is so again",
		Right: "CompareAndSwap(l.state, passed(l.state)) {",
		Wrong: "CompareAndSwap(l.state, l.state&lapMask) {",
	}, {
		Mistake: "do not look again for what the dead had written", File: "spsc_reader.go", Model: "stream/headers", Failure: "the end after",
		Right: "if tail = r.m.tail.Load(); tail == r.head { // what it published before",
		Wrong: "if ending != ErrEmpty {\n\t\t\treturn ending\n\t\t}\n\t\tif tail = r.m.tail.Load(); tail == r.head {",
	}, {
		Mistake: "change rings before the last change was seen", File: "spsc_turn.go", Model: "stream/headers/turns", Failure: "record",
		Right: "return w.tail == head && 2*size <= w.m.small.size()",
		Wrong: "return w.tail-head <= size && 2*size <= w.m.small.size()",
	}, {
		Mistake: "go on in a ring that the writer is about to leave", File: "spsc_reader.go", Model: "stream/headers/turns", Failure: "record",
		Right: "if int64(turn&^turnToSmall-head) <= 0 {",
		Wrong: "if end == tail {",
	}, {
		Mistake: "say that it is done before it is", File: "once.go", Model: "once", Failure: "done",
		Right: "if err := f(); err != nil {\n\t\t\treturn err\n\t\t}\n\t\to.lock.edge.release()\n\t\to.state.done.Store(1) // observed by Done",
		Wrong: "o.state.done.Store(1)\n\t\tif err := f(); err != nil {\n\t\t\treturn err\n\t\t}",
	}, {
		Mistake: "look for the writer before entering", File: "rwmutex.go", Model: "rwmutex/two", Failure: "readers at a time",
		Right: "\tr.add()\n\tif r.s.writer.word.Load() == 0 {\n\t\treturn true\n\t}",
		Wrong: "\tr.add()\n\tif true {\n\t\treturn true\n\t}",
	}, {
		Mistake: "end a round without news", File: "barrier.go", Model: "barrier", Failure: "deadlock",
		Right: "return ErrBrokenBarrier\n\t}\n\tb.state.changed.publish(everybody)\n\treturn nil",
		Wrong: "return ErrBrokenBarrier\n\t}\n\treturn nil",
	}, {
		Mistake: "publish a value before it is whole", File: "cell.go", Model: "cell", Failure: "halves",
		Right: "words := c.copies[(v+1)&1]\n",
		Wrong: "words := c.copies[(v+1)&1]\n\tc.version.Store(v + 1)\n",
	}, {
		Mistake: "take back without asking the taker", File: "claims.go", Model: "claims", Failure: "taken back",
		Right: "if left = min(left, keep); c.word.CompareAndSwap(w, claimWord(next, left)) {",
		Wrong: "if left = min(left, keep); true {\n\t\t\tc.word.Store(claimWord(next, left))",
	}, {
		Mistake: "take what another one takes", File: "ring_batch.go", Model: "ring/batches", Failure: "were given it|got|panics",
		Right: "cell.state.Load() != free|ready || !cell.state.CompareAndSwap(free|ready, mine) {\n\t\treturn 0\n\t}",
		Wrong: "cell.state.Load() != free|ready {\n\t\treturn 0\n\t}\n\tcell.state.Store(mine)",
	}, {
		Mistake: "put quickly though it was closed meanwhile", File: "ring_quick_unsafe.go", Model: "ring/quick/close", Failure: "lost|deadlock",
		Right: "c.closed.Load() == 0 && !c.astray(pos)",
		Wrong: "!c.astray(pos)",
	}, {
		Mistake: "wake nobody after a quick Put", File: "ring_quick_unsafe.go", Model: "ring/quick/one each", Failure: "deadlock",
		Right: "\tc.tellConsumers(n)\n",
		Wrong: "",
	}, {
		Mistake: "wake nobody after a quick Get", File: "ring_quick_unsafe.go", Model: "ring/quick/two consumers", Failure: "deadlock",
		Right: "\tc.tellProducers(n)\n",
		Wrong: "",
	}, {
		Mistake: "give the first of a group that was put in bulk before the others", File: "ring_unsafe.go", Model: "ring/bulk", Failure: "cells can be used|were given it|lost|got",
		Right: "\tp := unsafe.Add(unsafe.Pointer(first), (groupSize-1)*stride)\n",
		Wrong: "\tif true {\n\t\tfor i := range groupSize {\n\t\t\tstoreRelease(&c.cellAfter(first, i).state, state)\n\t\t}\n\t\treturn\n\t}\n\tp := unsafe.Add(unsafe.Pointer(first), (groupSize-1)*stride)\n",
	}, {
		Mistake: "give the first of a group back before the others", File: "ring_batch.go", Model: "ring/batches", Failure: "cells can be used",
		Right: "for j := end - 1; j >= i; j-- { // the first of a group comes last\n\t\t\tstate :=",
		Wrong: "for j := i; j < end; j++ {\n\t\t\tstate :=",
	}, {
		Mistake: "claim a group of which only the first is vacant", File: "ring_unsafe.go", Model: "ring/batches and singles", Failure: "were given it|lost|cells can be used",
		Right: "differ |= (h.state.Load() ^ state) | (next.state.Load() ^ state)",
		Wrong: "_ = next\n\t\tdiffer |= h.state.Load() ^ state",
	}, {
		Mistake: "pass only the first of a dead producer's group", File: "ring_put.go", Model: "ring/batches and singles", Failure: "cells can be used",
		Right: "c.dropMembers(cell, state)\n",
		Wrong: "",
	}, {
		Mistake: "take over only the first of a dead consumer's group", File: "ring_get.go", Model: "ring/batches", Failure: "cells can be used",
		Right: "c.splitGroup(cell, state)\n",
		Wrong: "",
	}, {
		Mistake: "wake nobody after a batch", File: "ring_batch.go", Model: "ring/batches of two", Failure: "deadlock",
		Right: "c.tellProducers(len(taken))\n\tif",
		Wrong: "if",
	}, {
		Mistake: "put a segment in the place of another", File: "chain.go", Model: "chain/two producers", Failure: "lost",
		Right: "last.link.next.CompareAndSwap(0, name) // publishes",
		Wrong: "last.link.next.Store(name) // publishes",
	}, {
		Mistake: "look at the leases before the cells", File: "ring_join.go", Model: "join", Failure: "is not dealt with",
		Right: "n.busyRing(r) || n.busyLease(table)",
		Wrong: "n.busyLease(table) || n.busyRing(r)",
	}, {
		Mistake: "deliver before it is due", File: "lender.go", Model: "lease/returned for later", Failure: "too early",
		Right: "if due := h.due.Load(); due > now {",
		Wrong: "if due := h.due.Load(); false {",
	}, {
		Mistake: "set no alarm", File: "ring_receive.go", Model: "lease/returned for later", Failure: "deadlock",
		Right: "clock.set(r.lender, r.lease.ring)",
		Wrong: "_ = clock.set",
	}, {
		Mistake: "let who waits for a slot sleep when a message comes back", File: "ring_get.go", Model: "lease/returned for a slot", Failure: "deadlock",
		Right: "c.puts.wake(1)\n\tc.ring.lender.wakeSlotless(1)\n",
		Wrong: "c.puts.wake(1)\n",
	}, {
		Mistake: "tell nobody that the last message was taken", File: "ring_get.go", Model: "lease/closed", Failure: "deadlock",
		Right: "if c.closed.Load() != 0 {\n\t\tc.wakeTaker()\n\t} else if c.puts.awaited() {",
		Wrong: "if c.puts.awaited() {",
	},
}
