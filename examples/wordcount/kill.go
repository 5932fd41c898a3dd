package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mpgo/mp"
)

// killSome kills n workers of the pool, one after the other, each a random one that
// has something to do. The returned function ends that, and says how many it were.
func killSome(pool *mp.Pool, n int, s *screen) (stop func()) {
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		killed := 0
		for killed < n && killOne(pool, killed, done) {
			killed++
		}
		ended <- killed
	}()
	return func() {
		close(done)
		s.say(fmt.Sprintf("killed %d workers", <-ended))
	}
}

// betweenLooks is how often it is looked whether the last one's place is taken.
const betweenLooks = time.Millisecond

// killOne kills a worker when the last one's death is known and all others are at work,
// and reports false if that is not before done.
func killOne(pool *mp.Pool, deaths int, done <-chan struct{}) bool {
	tick := time.NewTicker(betweenLooks)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return false
		case <-tick.C:
		}
		workers, stats := mp.ActiveChildren(), pool.Stats()
		if stats.Died >= deaths && stats.Busy == stats.Workers && len(workers) > 0 {
			return workers[rand.IntN(len(workers))].Kill() == nil
		}
	}
}
