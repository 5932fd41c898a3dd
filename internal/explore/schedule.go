//go:build explore

package explore

import (
	"fmt"
	"strconv"
	"strings"
)

// A schedule is the order of events of an execution. As text it is one letter for
// each, with the number of times if that is more than once: A–H are accesses of
// processes, a–z those of the environment; !A is the death of A; + is time that
// passes; 0 to 9, after a colon, says which sleeper was woken.
//
// Every access to common memory is an event, a step or not, so that a schedule stays
// what it is when the search learns of a contended word.
type schedule struct {
	events []run
	at     int // in events, when it is followed
	left   int // of that run, 0 if it has not begun
}

type run struct {
	letter byte
	times  int
}

const (
	letterTick = '+'
	letterKill = '!'
	letterWake = '0'
)

func (s *schedule) add(letter byte) {
	if n := len(s.events); n > 0 && s.events[n-1].letter == letter {
		s.events[n-1].times++
		return
	}
	s.events = append(s.events, run{letter, 1})
}

func (s schedule) String() string {
	var b strings.Builder
	for _, r := range s.events {
		switch {
		case r.letter >= letterWake && r.letter <= '9':
			b.WriteString(strings.Repeat(":"+string(r.letter), r.times))
		case r.times == 1:
			b.WriteByte(r.letter)
		default:
			fmt.Fprintf(&b, "%c%d", r.letter, r.times)
		}
	}
	return b.String()
}

func parse(text string) (s schedule, err error) {
	for i := 0; i < len(text); {
		letter := text[i]
		if i++; letter == ':' && i < len(text) {
			s.add(text[i])
			i++
			continue
		}
		end := i
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		times := 1
		if end > i {
			if times, err = strconv.Atoi(text[i:end]); err != nil {
				return s, err
			}
		}
		for range times {
			s.add(letter)
		}
		i = end
	}
	return s, nil
}

// next is the next event, 0 if there is none.
func (s *schedule) next() byte {
	if s.at == len(s.events) {
		return 0
	}
	return s.events[s.at].letter
}

// advance goes past one event, if it is the next.
func (s *schedule) advance(letter byte) {
	if s.next() != letter {
		return
	}
	if s.left == 0 {
		s.left = s.events[s.at].times
	}
	if s.left--; s.left == 0 {
		s.at++
	}
}

// pick is the option that the schedule says. After its end, or where it does not
// fit, that is the first.
func (s *schedule) pick(x *Execution, options []option) (option, bool) {
	letter := s.next()
	kill := letter == letterKill
	if kill && s.at+1 < len(s.events) {
		letter = s.events[s.at+1].letter
	}
	for _, o := range options {
		if o.thread == nil && letter == letterTick {
			s.advance(letterTick)
			return o, true
		}
		if o.thread != nil && o.thread.name == letter && o.kill == kill {
			if kill {
				s.advance(letterKill)
				s.advance(letter)
			}
			return o, true
		}
	}
	return options[0], true
}

// sleeper is the one of n that the schedule says.
func (s *schedule) sleeper(n int) int {
	letter := s.next()
	if letter < letterWake || int(letter-letterWake) >= n {
		return 0
	}
	s.advance(letter)
	return int(letter - letterWake)
}
