package storm

import (
	"errors"
	"fmt"
	"time"

	"github.com/mpgo/mp"
)

// Logs are what the crew writes while it works and what outlives those who wrote it:
// shared memory, in which each word has one writer at a time. All of it is read while
// others write.
type Logs struct {
	// Bell is the number of the last watch that is over. A hand begins no act of that
	// watch any more. Only the captain rings it.
	Bell *mp.Value[int64]

	Pages  *mp.Array[int64] // see page
	Graves *mp.Array[int64] // see bury
	Times  *mp.Array[int64] // see clock
}

func newLogs(pages int) (l Logs, err error) {
	var errs [4]error
	l.Bell, errs[0] = mp.NewValue(int64(0))
	l.Pages, errs[1] = mp.NewArray[int64](pages * pageWords)
	l.Graves, errs[2] = mp.NewArray[int64](graves)
	l.Times, errs[3] = mp.NewArray[int64](len(clockNames) * buckets)
	return l, errors.Join(errs[:]...)
}

func (l Logs) free() error {
	return errors.Join(l.Bell.Free(), l.Pages.Free(), l.Graves.Free(), l.Times.Free())
}

// load reads a word that others may write.
func load(a *mp.Array[int64], i int) int64 { return mp.AddAt(a, i, 0) }

// store writes a word of which the caller is the only writer.
func store(a *mp.Array[int64], i int, v int64) { mp.AddAt(a, i, v-load(a, i)) }

// graves is how many lives there are before a grave is used again. The time between
// is that of some hundred watches' deaths at the least.
const graves = 1 << 12

// bury notes, just before it is done, that a life is about to be ended. Only the
// captain does so.
func (l Logs) bury(life int64) {
	store(l.Graves, int(life%graves), time.Now().UnixNano())
}

// unbury makes the grave of a life that begins ready for it.
func (l Logs) unbury(life int64) { store(l.Graves, int(life%graves), 0) }

// killed is when a life was ended; false if it was not.
func (l Logs) killed(life int64) (time.Time, bool) {
	at := load(l.Graves, int(life%graves))
	return time.Unix(0, at), at != 0
}

// A page is a hand's part of the log: what it is at, and what it has done since the
// storm began. A new hand in the same place goes on with the counts.
type page struct {
	words *mp.Array[int64]
	first int
}

// The words of a page. When a hand is killed, the first three tell what it was in the
// middle of; the captain reads them then, and clears them for the next hand.
const (
	pageAct     = iota // 1 + the act that is under way, or 0
	pageOpen           // how many effects it may have had that are not in any ledger
	pagePutting        // how many messages it may have put that are not in their ledger
	pageRest           // the last watch that this process has finished; of a first hand only
	pageCounts         // here the counts begin: for each act, what countNames says
)

const (
	countDone    = iota // acts that did what they were to do
	countPassed         // that came to nothing: nothing there, no room, a short wait over
	countRefused        // for which there was no shared memory
	countKills          // of others, by the act itself
	countsPerAct
)

var pageWords = pageCounts + len(acts)*countsPerAct

func (l Logs) page(nth int) page { return page{l.Pages, nth * pageWords} }

func (p page) load(word int) int64 { return load(p.words, p.first+word) }

func (p page) store(word int, v int64) { store(p.words, p.first+word, v) }

func (p page) count(act, what int) {
	mp.AddAt(p.words, p.first+pageCounts+act*countsPerAct+what, 1)
}

func (p page) counted(act, what int) int64 { return p.load(pageCounts + act*countsPerAct + what) }

// unfinished is what a dead hand left, as people read it.
func (p page) unfinished() string {
	act := p.load(pageAct)
	if act == 0 {
		return "between two acts"
	}
	return fmt.Sprintf("in %s (%d effects and %d puts open)", acts[act-1].name, p.load(pageOpen), p.load(pagePutting))
}

// A tally is what those left who were killed in an act during a watch.
type tally struct {
	deaths  int
	open    int // effects that may have happened or not
	putting int // messages that may have been put or not
}

// settle adds what a dead hand left to the tallies and clears its page.
func (p page) settle(tallies []tally) {
	if act := p.load(pageAct); act != 0 {
		t := &tallies[act-1]
		t.deaths++
		t.open += int(p.load(pageOpen))
		t.putting += int(p.load(pagePutting))
	}
	for _, word := range []int{pageAct, pageOpen, pagePutting, pageRest} {
		p.store(word, 0)
	}
}
