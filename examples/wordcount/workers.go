package main

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/mpgo/mp"
)

// A job is what a worker is handed: pieces to count, and where to show how far it is.
type job struct {
	Pieces []piece
	Board  board
}

// A board shows how far the workers are. It is the same shared memory in all of
// them: they raise the numbers, the parent reads them ten times a second. What a
// worker had counted before it was killed is on it, too.
type board struct {
	Seen *mp.Array[int64] // files, bytes, words
}

const (
	seenFiles = iota
	seenBytes
	seenWords
	seenKinds
)

func newBoard() (board, error) {
	seen, err := mp.NewArray[int64](seenKinds)
	return board{seen}, err
}

// raise adds to what was seen. Any number of processes may do so at once.
func (b board) raise(t tally) {
	mp.AddAt(b.Seen, seenFiles, t.Files)
	mp.AddAt(b.Seen, seenBytes, t.Bytes)
	mp.AddAt(b.Seen, seenWords, t.Words)
}

func (b board) seen() tally {
	return tally{b.Seen.At(seenFiles), b.Seen.At(seenBytes), b.Seen.At(seenWords)}
}

// countJob runs in the workers. Its result is an answer.
var countJob = mp.Register("wordcount", func(ctx context.Context, j job) ([]byte, error) {
	c := spareCounters.Get().(*counter)
	defer spareCounters.Put(c)
	c.table.reset()
	c.progress = j.Board.raise

	var sum tally
	var problems []string
	for _, p := range j.Pieces {
		counted, err := c.countPiece(ctx, p)
		sum.add(counted)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	return encodeAnswer(sum, problems, &c.table), nil
})

// spareCounters keeps a worker's counter, with the memory of its table, from one job
// to the next.
var spareCounters = sync.Pool{New: func() any { return newCounter() }}

// countWithPool counts everything below the paths with worker processes, as many as
// o says or, if that is 0, as there are CPUs. Of them o.kill are killed on the way; what
// they were at is counted again.
func countWithPool(ctx context.Context, paths []string, o options, s *screen) (*packedTable, summary, error) {
	start := time.Now()
	b, err := newBoard()
	if err != nil {
		return nil, summary{}, err
	}
	pool, err := mp.NewPool(ctx, o.workers, mp.WithRetries(o.kill))
	if err != nil {
		return nil, summary{}, err
	}
	defer pool.Stop()
	sum := summary{workers: pool.Workers()}
	s.progress.Pool = pool
	s.progress.Line = func(p mp.ProgressState) string {
		return progressLine(b.seen(), p.Pool.Busy, sum.workers, p.Elapsed)
	}
	answers := mp.Track(s.progress, countJob.MapUnordered(ctx, pool, jobs(paths, b, s)))
	if o.kill > 0 {
		defer killSome(pool, o.kill, s)()
	}
	words, err := collect(answers, &sum, s)
	if err != nil {
		return nil, sum, err
	}
	sum.distinct, sum.skipped, sum.took = words.distinct(), s.skipped(), time.Since(start)
	return words, sum, pool.Close()
}

// collect brings the answers of the workers together.
func collect(answers iter.Seq2[[]byte, error], sum *summary, s *screen) (*packedTable, error) {
	var all merger
	for bytes, err := range answers {
		if err != nil {
			return nil, err
		}
		a, err := decodeAnswer(bytes)
		if err != nil {
			return nil, err
		}
		sum.add(a.tally)
		for _, p := range a.problems {
			s.complain(errors.New(p))
		}
		if err := all.add(a.table); err != nil {
			return nil, err
		}
	}
	return all.merge()
}

// jobs walks the paths while the first jobs are under way already.
func jobs(paths []string, b board, s *screen) iter.Seq[job] {
	return func(yield func(job) bool) {
		for pieces := range batches(walk(paths, s.complain)) {
			if !yield(job{pieces, b}) {
				return
			}
		}
	}
}
