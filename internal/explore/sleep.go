//go:build explore

package explore

import "slices"

// Sleep models a sleep on several words, if same reports that all of them hold what
// the sleeper expects. It returns false if the caller is no thread of an exploration.
func Sleep(words []uintptr, same func() bool) bool {
	t := current()
	if t == nil {
		return false
	}
	x := running
	if x.over {
		panic(abandoned{})
	}
	step := false
	for _, w := range words {
		step = x.matters(t, operation{sleeps, w}) || step
	}
	if step {
		x.step(t, operation{sleeps, words[0]})
	}
	x.log(t.name)
	x.looking = true
	sleep := same()
	x.looking = false
	if x.trace != nil {
		x.tell("%c goes to sleep on %s: %v", t.name, x.describe(words[0]), sleep)
	}
	t.learn(uint64(sleeps) << 60)
	if !sleep {
		return true
	}
	t.asleep = slices.Clone(words)
	x.choose()
	t.await(x)
	t.learn(uint64(begins) << 60)
	return true
}

// Wake models a wake-up of up to n who sleep on a word, and returns how many there
// were. It returns false if the caller is no thread of an exploration.
func Wake(word uintptr, n int) (woken int, ok bool) {
	t := current()
	if t == nil {
		return 0, false
	}
	x := running
	x.access(t, operation{wakes, word})
	if i, _ := x.place(word); i >= 0 {
		x.log(t.name)
	}
	for sleepers := x.asleepOn(word); woken < n && len(sleepers) > 0; woken++ {
		i := 0
		if n-woken < len(sleepers) {
			i = x.pickSleeper(len(sleepers))
		}
		s := sleepers[i]
		sleepers = slices.Delete(sleepers, i, i+1)
		s.asleep, s.awoken = nil, true
		s.next, s.free = operation{kind: begins}, true
	}
	if x.trace != nil {
		x.tell("%c wakes %d on %s", t.name, woken, x.describe(word))
	}
	t.learn(uint64(wakes)<<60 + uint64(woken))
	return woken, true
}

func (x *Execution) asleepOn(word uintptr) (sleepers []*thread) {
	for _, t := range x.threads {
		if t.asleep != nil && slices.Contains(t.asleep, word) {
			sleepers = append(sleepers, t)
		}
	}
	return sleepers
}
