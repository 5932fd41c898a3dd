package gauge

import (
	"os"
	"time"
)

// Threads is how many threads this process has.
func Threads() int {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	return len(threads)
}

// SettledThreads is how many there are when no more come.
func SettledThreads() int {
	n := Threads()
	for same := 0; same < 5; same++ {
		LetWait()
		if now := Threads(); now != n {
			n, same = now, 0
		}
	}
	return n
}

// LetWait gives those who were started time to go to sleep. Nothing says when they
// do, and what is measured after it is right in any case, only less to the point if
// they do not sleep yet.
func LetWait() { time.Sleep(20 * time.Millisecond) }

// LetSleep gives one other process time to go to sleep that has only that to do.
func LetSleep() { time.Sleep(2 * time.Millisecond) }
