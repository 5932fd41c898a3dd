//go:build explore

package ipc

import (
	"context"

	"github.com/mpgo/mp/internal/explore"
)

// A batchScene is who exchanges how many messages in batches.
type batchScene struct {
	capacity, producers, consumers int

	each  int  // messages that a producer puts, in batches as large as they can be
	quick bool // in bulk, as far as that is possible
	mixed bool // the last producer and the last consumer have messages one by one
}

// exploredBatches: producers put their messages, and each consumer gets them until there
// are no more.
func exploredBatches(b batchScene) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, b.producers+b.consumers)
		mem := exploredRing(x, b.capacity)
		p := &post{x: x, manner: manner(b.quick)}
		for i, d := range c.citizens {
			r, err := OpenRing(d, mem)
			c.must(err)
			bells(x, r.put, r.get)
			switch {
			case i < b.producers && b.mixed && i == b.producers-1:
				x.Process(func() { c.must(p.putAll(r, i*b.each, (i+1)*b.each)) })
			case i < b.producers:
				x.Process(func() { c.must(p.putBatches(r, i*b.each, (i+1)*b.each)) })
			case b.mixed && i == len(c.citizens)-1:
				x.Process(func() { c.must(p.getOne(r)) })
			default:
				x.Process(func() { c.must(p.getBatches(r, b.each*b.producers)) })
			}
		}
		x.Excuse(func(i int) error { return ringRests(c, mem, i < b.producers) })
		x.Finally(func() error {
			left, err := drain(c, p, mem)
			if err != nil {
				return err
			}
			mayLose := 0 // the batch that a consumer was releasing when it was killed
			for i := b.producers; i < len(c.citizens); i++ {
				mayLose += b.capacity * boolToInt(x.Killed(i))
			}
			return p.check(left, mayLose)
		})
	}
}

// putBatches puts the messages from first to before end.
func (p *post) putBatches(r *Ring, first, end int) error {
	for first < end {
		if p.manner == quickly {
			if n := p.putBulk(r, first, end); n > 0 {
				first += n
				continue
			}
		}
		into := make([]Claimed, end-first)
		n, err := r.ClaimBatch(context.Background(), into)
		if err != nil {
			return err
		}
		for i, claimed := range into[:n] {
			p.begun[first+i] = true
			claimed.Fill(copy(claimed.Bytes(), message(first+i)))
		}
		CommitBatch(into[:n], n)
		for range n {
			p.committed[first] = true
			first++
		}
	}
	return nil
}

// putBulk puts what can be put quickly of the messages from first to before end.
func (p *post) putBulk(r *Ring, first, end int) int {
	var all []byte
	for m := first; m < end; m++ {
		p.begun[m] = true
		all = append(all, message(m)...)
	}
	n := r.PutManyQuick(all, 8)
	for m := range n {
		p.committed[first+m] = true
	}
	return n
}

// getBulk gets what can be got quickly, so many messages at most.
func (p *post) getBulk(r *Ring, most int) int {
	into := make([]byte, 8*most)
	n, odd := r.GetManyQuick(into, 8, true)
	p.x.Check(odd == nil, "%d messages of another length", len(odd))
	for i := range n {
		m := p.number(into[8*i : 8*i+8])
		p.x.Check(m >= 0, "got %x", into[8*i:8*i+8])
		p.got[m]++
	}
	return n
}

// getBatches gets so many messages.
func (p *post) getBatches(r *Ring, messages int) error {
	for messages > 0 {
		if p.manner == quickly {
			if n := p.getBulk(r, messages); n > 0 {
				messages -= n
				continue
			}
		}
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
