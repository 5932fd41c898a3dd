package plain

import (
	"sync"

	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// message is what channels carry.
type message [64]byte

// inProcess is what goroutines of one process do with channels and a sync.Mutex.
var inProcess = side.Works{
	side.RoundTrip:      channelRoundTrip,
	side.OneWay:         channelOneWay,
	side.Queue:          channelQueue,
	side.MutexAlone:     goMutexAlone,
	side.MutexContended: goMutexContended,
}

func channelRoundTrip(job side.Job) (side.Sample, error) {
	there, back := make(chan message, 1), make(chan message, 1)
	defer close(there)
	go func() {
		for m := range there {
			back <- m
		}
	}()
	var m message
	return gauge.Latency(gauge.Func(func() error {
		there <- m
		m = <-back
		return nil
	}), job.Budget)
}

func channelOneWay(job side.Job) (side.Sample, error) {
	job.Producers, job.Consumers = 1, 1
	return channelQueue(job)
}

func channelQueue(job side.Job) (side.Sample, error) {
	queue, stop := make(chan message, max(job.Capacity, 1)), make(chan struct{})
	for range job.Producers {
		go func() {
			for {
				select {
				case queue <- message{}:
				case <-stop:
					return
				}
			}
		}()
	}
	sum := together(job.Consumers, func(int) gauge.Tally {
		m := gauge.NewMeter(gauge.Burst(job.Size), job.Budget)
		for m.Tick(1) {
			received := <-queue
			gauge.Read(received[:])
		}
		return m.Tally()
	})
	close(stop)
	return sum.Throughput(), nil
}

// together has n goroutines count, and adds up what they counted.
func together(n int, count func(i int) gauge.Tally) gauge.Tally {
	tallies := make([]gauge.Tally, n)
	var all sync.WaitGroup
	for i := range tallies {
		all.Go(func() { tallies[i] = count(i) })
	}
	all.Wait()
	return gauge.Sum(tallies...)
}

func goMutexAlone(job side.Job) (side.Sample, error) {
	return gauge.Latency(new(counter), job.Budget)
}

func goMutexContended(job side.Job) (side.Sample, error) {
	shared := new(counter)
	return together(job.Workers*max(job.Goroutines, 1), func(int) gauge.Tally {
		m := gauge.NewMeter(256, job.Budget)
		for m.Tick(16) {
			_ = shared.Do(16)
		}
		return m.Tally()
	}).Cost(), nil
}

// A counter is a number that a lock protects.
type counter struct {
	sync.Mutex
	number int
}

// Do raises the number n times.
func (c *counter) Do(n int) error {
	for range n {
		c.Lock()
		c.number++
		c.Unlock()
	}
	return nil
}
