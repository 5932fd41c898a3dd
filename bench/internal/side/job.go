// Package side is how the bench and the processes that measure for it talk.
//
// A side is somebody who can do what is measured: the machine's limit in C, a peer,
// mp. For each pass of each row the bench starts one process of the side, gives it
// a Job on its command line, and reads a Sample, one line of JSON, from its
// standard output. So it makes no difference in which language a side is written,
// and no side has another one's threads or garbage in its way.
package side

import (
	"encoding/json"
	"fmt"
	"time"
)

// What can be measured. Each is a kind of work that several sides can do.
const (
	RoundTrip      = "round-trip"      // there and back: ns
	OneWay         = "one-way"         // from one process to another: messages a second
	Queue          = "queue"           // from Producers to Consumers: messages a second
	MutexAlone     = "mutex-alone"     // lock and unlock, nobody else there: ns
	MutexContended = "mutex-contended" // lock, add, unlock by Workers processes: ns
	Takeover       = "takeover"        // from the kill of a lock's holder to its next owner: ns
	Call           = "call"            // a function of another process, its result: ns
	Map            = "map"             // tasks done by Workers processes: tasks a second
	Start          = "start"           // from starting a process to its first answer: ns
	Bitmap         = "bitmap"          // from the last byte filled in to the parent having them all: ns
	Wake           = "wake"            // from before a message is sent to one who sleeps until he has it: ns
	Blocked        = "blocked"         // threads for Goroutines that wait for one object
	Idle           = "idle"            // CPU time of processes that wait: part of the time that passes
	Memory         = "memory"          // bytes for one Object
)

// A Job says what to measure. What a kind of work has no use for is zero.
type Job struct {
	Work       string        `json:"work"`
	Size       int           `json:"size,omitempty"`       // bytes of a message
	Capacity   int           `json:"capacity,omitempty"`   // messages that fit
	Producers  int           `json:"producers,omitempty"`  // processes
	Consumers  int           `json:"consumers,omitempty"`  // processes
	Bystanders int           `json:"bystanders,omitempty"` // processes that have the queue, too, and do nothing
	Used       bool          `json:"used,omitempty"`       // each bystander has put and got a message before
	Workers    int           `json:"workers,omitempty"`    // processes
	Goroutines int           `json:"goroutines,omitempty"` // of each process
	Batch      int           `json:"batch,omitempty"`      // messages put and got at once
	Chunk      int           `json:"chunk,omitempty"`      // tasks a message; 0: as many as the side likes
	Awake      bool          `json:"awake,omitempty"`      // who waits does not sleep: by calls that do not block, or options
	Loan       bool          `json:"loan,omitempty"`       // fill and read messages where they lie
	Object     string        `json:"object,omitempty"`     // what Memory is about
	Opens      int64         `json:"opens,omitempty"`      // when to measure, on the shared clock; for second processes
	Budget     time.Duration `json:"budget"`               // about how long to measure, after warming up
	CPUs       []int         `json:"cpus"`                 // to pin processes to, in turn; none: do not pin
}

// CPU is the one that the job's nth process is pinned to; -1: it is not pinned.
func (j Job) CPU(n int) int {
	if len(j.CPUs) == 0 {
		return -1
	}
	return j.CPUs[n%len(j.CPUs)]
}

// String is the job as a command-line argument.
func (j Job) String() string {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err) // it has nothing that cannot be encoded
	}
	return string(text)
}

// ParseJob reads what String wrote.
func ParseJob(text string) (j Job, err error) {
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return j, fmt.Errorf("a job that cannot be read: %w", err)
	}
	return j, nil
}
