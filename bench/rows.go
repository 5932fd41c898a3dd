package main

import (
	"time"

	"github.com/mpgo/mp/bench/internal/result"
	"github.com/mpgo/mp/bench/internal/side"
)

const (
	small    = 64      // bytes of a message
	large    = 1 << 20 // bytes
	capacity = 1024    // messages that fit
	bitmap   = 35 << 20
)

// oneToOne is the queue at its simplest.
var oneToOne = side.Job{Work: side.Queue, Size: small, Capacity: capacity, Producers: 1, Consumers: 1}

// tableRows are what mp promises to be fast at, and what is asked of it: "must" is
// the least that is good enough, "aim" is what it is to become.
func tableRows() []*row {
	times, timesBase, absolute := result.Times, result.TimesBase, result.Absolute
	ns := func(d time.Duration) *result.Target { return absolute(float64(d)) }
	single := &base{"queue/1-1", oneToOne}
	return []*row{
		{
			name: "pipe/awake", title: "Pipe, 64 B there and back, nobody ever sleeps",
			job:  side.Job{Work: side.RoundTrip, Size: small, Awake: true},
			unit: result.Nanoseconds, must: times(1.8), aim: times(1.4), twoCPUs: true,
		},
		{
			name: "pipe/blocking", title: "Pipe, 64 B there and back, by calls that block",
			job:  side.Job{Work: side.RoundTrip, Size: small},
			unit: result.Nanoseconds, must: ns(time.Microsecond), aim: ns(300 * time.Nanosecond),
		},
		{
			name: "pipe/one-way", title: "Pipe, 64 B in one direction",
			job:  side.Job{Work: side.OneWay, Size: small, Capacity: 4 * capacity},
			unit: result.Millions, must: times(0.5), aim: times(0.75), twoCPUs: true,
		},
		{
			name: "queue/1-1", title: "Queue, 64 B, 1 producer, 1 consumer",
			job:  oneToOne,
			unit: result.Millions, must: times(0.5), aim: times(0.8),
		},
		{
			name: "queue/2-2", title: "Queue, 64 B, 2 producers, 2 consumers",
			job:  side.Job{Work: side.Queue, Size: small, Capacity: capacity, Producers: 2, Consumers: 2},
			unit: result.Millions, must: times(0.5), aim: times(0.8),
		},
		{
			name: "queue/4-4", title: "Queue, 64 B, 4 producers, 4 consumers",
			job:  side.Job{Work: side.Queue, Size: small, Capacity: capacity, Producers: 4, Consumers: 4},
			unit: result.Millions, base: single, must: timesBase(0.5), aim: timesBase(0.8),
		},
		{
			name: "queue/batch", title: "Queue, 64 B, 1 producer, 1 consumer, 64 messages at once",
			job:  side.Job{Work: side.Queue, Size: small, Capacity: capacity, Producers: 1, Consumers: 1, Batch: 64},
			unit: result.Millions, base: single, must: timesBase(2), aim: timesBase(4),
		},
		{
			name: "queue/wake", title: "Queue, from before a Put until a consumer who slept has the message",
			job: side.Job{Work: side.Wake}, laps: 5, // a wake-up takes twice as long in one second as in the next
			unit: result.Microseconds, must: times(1.3), aim: times(1.1),
		},
		{
			name: "large/loan", title: "1 MiB in one direction, filled and read in place",
			job:  side.Job{Work: side.OneWay, Size: large, Capacity: 8, Loan: true},
			unit: result.Gigabytes, must: times(0.5), aim: times(0.8), convert: byBytes, twoCPUs: true,
		},
		{
			name: "large/copy", title: "1 MiB in one direction, copied in and out",
			job:  side.Job{Work: side.OneWay, Size: large, Capacity: 8},
			unit: result.Gigabytes, convert: byBytes, twoCPUs: true,
		},
		{
			name: "mutex/alone", title: "Mutex, lock and unlock, nobody else wants it",
			job:  side.Job{Work: side.MutexAlone},
			unit: result.Nanoseconds, must: times(2), aim: times(1.2),
		},
		{
			name: "mutex/contended", title: "Mutex, lock, add, unlock, by 2 processes",
			job:  side.Job{Work: side.MutexContended, Workers: 2},
			unit: result.Nanoseconds, must: times(3), aim: times(1.5),
		},
		{
			name: "mutex/takeover", title: "Mutex, from the kill of its holder to the next owner",
			job:  side.Job{Work: side.Takeover},
			unit: result.Milliseconds, must: ns(time.Millisecond), aim: ns(400 * time.Microsecond),
		},
		{
			name: "pool/call", title: "Pool, a call and its result",
			job:  side.Job{Work: side.Call},
			unit: result.Microseconds, must: ns(5 * time.Microsecond), aim: ns(time.Microsecond),
		},
		{
			name: "pool/map", title: "Pool, Map over 2 workers, one task a message",
			job:  side.Job{Work: side.Map, Workers: 2, Chunk: 1},
			unit: result.Thousands, must: absolute(500e3), aim: absolute(2e6),
		},
		{
			name: "pool/chunks", title: "Pool, Map over 2 workers, in chunks if the side has them",
			job:  side.Job{Work: side.Map, Workers: 2},
			unit: result.Thousands, must: absolute(10e6), aim: absolute(20e6),
		},
		{
			name: "start", title: "A child, from its start to its first answer",
			job:  side.Job{Work: side.Start},
			unit: result.Milliseconds, must: times(3), aim: times(1.5),
		},
		{
			name: "bitmap", title: "A bitmap of 35 MiB, from the last byte filled in to the parent having it, which looks for it",
			job:  side.Job{Work: side.Bitmap, Size: bitmap, Awake: true},
			unit: result.Microseconds, must: ns(100 * time.Microsecond), aim: ns(20 * time.Microsecond), twoCPUs: true,
		},
		{
			name: "bitmap/asleep", title: "A bitmap of 35 MiB, from the last byte filled in to the parent having it, which sleeps meanwhile",
			job:  side.Job{Work: side.Bitmap, Size: bitmap},
			unit: result.Microseconds,
		},
		{
			name: "blocked", title: "Threads for 10,000 goroutines that wait for one lock",
			job:  side.Job{Work: side.Blocked, Goroutines: 10_000},
			unit: result.Threads, must: absolute(8), aim: absolute(2),
		},
		{
			name: "idle", title: "CPU used by a pool of 2 that has nothing to do, and by waiting for everything else",
			job:  side.Job{Work: side.Idle, Workers: 2},
			unit: result.Percent, must: absolute(0.0005), aim: absolute(0.0005), // less would be printed as 0.0 %
			longer: 16, // to see what happens once in some seconds
		},
		memoryRow("mutex", 0),
		memoryRow("value", 0),
		memoryRow("queue", 64),
	}
}

func memoryRow(object string, capacity int) *row {
	title := "Memory of a " + object
	if capacity > 0 {
		title += " of 64 messages of 64 B"
	}
	return &row{
		name: "memory/" + object, title: title,
		job: side.Job{Work: side.Memory, Object: object, Capacity: capacity}, unit: result.Bytes,
	}
}
