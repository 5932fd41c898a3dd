package ours

import "github.com/mpgo/mp/bench/internal/side"

func roundTrip(side.Job) (side.Sample, error) { return side.Sample{}, errNoPipe }

func oneWay(job side.Job) (side.Sample, error) {
	if job.Loan {
		return loans(job)
	}
	return side.Sample{}, errNoPipe
}

const errNoPipe = side.Missing("mp has no pipe yet")
