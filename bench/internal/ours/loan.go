package ours

import (
	"context"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// loans moves messages that are filled and read where they lie.
func loans(job side.Job) (side.Sample, error) {
	job.Producers, job.Consumers = 1, 1
	return traffic(job, roles[[]byte]{produce: lend, consume: borrow})
}

var lend = mp.Register("lend messages", func(ctx context.Context, p queuePost[[]byte]) (gauge.Tally, error) {
	m, err := p.Post.meter(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	for content := bytesMessage(p.Post.Job.Size); m.Tick(1); {
		loan, err := mp.Loan(p.Queue, len(content))
		if err != nil {
			return gauge.Tally{}, err
		}
		fill(loan.Slice(), content)
		if err := loan.Publish(ctx); err != nil {
			return gauge.Tally{}, err
		}
	}
	return gauge.Tally{}, nil
})

// fill fills a message in, as the limit does: by way of the caches, round which Go's copy may go
// with a megabyte or more at once.
func fill(message, content []byte) {
	const piece = 256 << 10
	for len(message) > 0 {
		n := copy(message, content[:min(piece, len(content))])
		message, content = message[n:], content[n:]
	}
}

var borrow = mp.Register("borrow messages", func(ctx context.Context, p queuePost[[]byte]) (gauge.Tally, error) {
	m, err := p.Post.meter(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	for ; ; m.Tick(1) {
		message, err := mp.Borrow(ctx, p.Queue)
		if err != nil {
			return ended(m, err)
		}
		gauge.Read(message.Slice())
		message.Release()
	}
})
