package storm

import (
	"time"

	"github.com/mpgo/mp"
)

// sample takes a sample every second until the function that it returns is called.
func (s *storm) sample() (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			now := s.now()
			s.mu.Lock()
			s.report.Samples = append(s.report.Samples, now)
			s.mu.Unlock()
			select {
			case <-over:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(over); <-done }
}

// now is how things stand.
func (s *storm) now() Sample {
	n := Sample{
		At: time.Since(s.began), Births: s.crew.births.Load(),
		Bytes: min(mp.MemoryStats().Bytes, ArenaSize), // what moves meanwhile is counted twice
		Kills: s.wind.kills.Load() + s.wind.workers.Load(),
	}
	for i := range acts {
		n.Done += s.counted(i, countDone)
		n.Refused += s.counted(i, countRefused)
		n.Kills += s.counted(i, countKills)
	}
	return n
}
