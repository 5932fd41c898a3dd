//go:build explore

package ipc

import (
	"context"

	"github.com/mpgo/mp/internal/explore"
)

// exploredBatches: producers put two messages each in batches as large as they can be,
// and consumers get them in such, until there are no more.
func exploredBatches(producers, consumers int) func(*explore.Execution) {
	const each = 2
	return func(x *explore.Execution) {
		c := newCosmos(x, producers+consumers)
		mem := exploredRing(x, 2)
		p := &post{x: x}
		for i, d := range c.citizens {
			r, err := OpenRing(d, mem)
			c.must(err)
			bells(x, r.put, r.get)
			if i < producers {
				x.Process(func() { c.must(p.putBatches(r, i*each, (i+1)*each)) })
			} else {
				x.Process(func() { c.must(p.getBatches(r, each*producers)) })
			}
		}
		x.Excuse(func(i int) error { return ringRests(c, mem, i < producers) })
		x.Finally(func() error {
			left, err := drain(c, p, mem)
			if err != nil {
				return err
			}
			mayLose := 0 // what a consumer had released when it was killed
			for i := producers; i < len(c.citizens); i++ {
				mayLose += each * boolToInt(x.Killed(i))
			}
			return p.check(left, mayLose)
		})
	}
}

// putBatches puts the messages from first to before end.
func (p *post) putBatches(r *Ring, first, end int) error {
	for first < end {
		into := make([]Claimed, end-first)
		n, err := r.ClaimBatch(context.Background(), into)
		if err != nil {
			return err
		}
		for i, claimed := range into[:n] {
			p.begun[first+i] = true
			claimed.Fill(copy(claimed.Bytes(), message(first+i)))
		}
		CommitBatch(into[:n])
		for range n {
			p.committed[first] = true
			first++
		}
	}
	return nil
}

// getBatches gets so many messages.
func (p *post) getBatches(r *Ring, messages int) error {
	for messages > 0 {
		into := make([]Taken, messages)
		n, err := r.TakeBatch(context.Background(), into)
		if err != nil {
			return err
		}
		var numbers []int
		for _, taken := range into[:n] {
			msg, err := taken.Bytes()
			if err != nil {
				return err
			}
			m := p.number(msg)
			p.x.Check(m >= 0, "got %x", msg)
			numbers = append(numbers, m)
		}
		ReleaseBatch(into[:n])
		for _, m := range numbers {
			p.got[m]++
		}
		messages -= n
	}
	return nil
}
