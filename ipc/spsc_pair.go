package ipc

// Pair tells the ends that a process has of the two streams of a pipe of each other. Who
// answers a record has read it, and its answer says so, in the line of the answer's tail,
// which the other side looks at anyway:
//
//	answerer:  reads the record  head of this stream   answer  read of that  tail of that
//	asker:     tail of that  the answer  read of that   begins a lap in this stream
//
// Without it the asker would have to look at head once in a lap of the small ring, and to
// wait for a line that the answerer has just written: with laps of eight records that is an
// eighth of the way from core to core for each.
//
// What read says is or was head, so there is room at least up to there; that it says
// nothing, or something old, or nonsense, is found out where head is looked at, too.
func Pair(w *StreamWriter, r *StreamReader) {
	w.reads, w.told = r.m.head, r.m.read
}

// nothingRead is what read says of a stream whose writer is not paired: it is no position.
const nothingRead = 1
