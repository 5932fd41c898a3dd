package mp

// A MemoryUse is how much shared memory a tree of processes uses at some moment:
// for objects, and for the messages, arguments and results that are under way.
type MemoryUse struct {
	Blocks int   // an object, a running process or a long message takes one or two
	Bytes  int64 // that were asked for, in all blocks
}

// MemoryStats counts the shared memory that this process's tree uses. Before the
// first object is made, that is none. It takes time in proportion to what is in
// use, and other processes go on meanwhile; where they do not, it is exact: a
// program that has freed what it made, and whose children are gone, uses as much
// as at its beginning, however those ended.
//
// Python has none.
func MemoryStats() MemoryUse {
	tree.mu.Lock()
	a := tree.arena
	tree.mu.Unlock()
	if a == nil {
		return MemoryUse{}
	}
	s := a.Stats()
	return MemoryUse{Blocks: s.Blocks, Bytes: s.Bytes}
}
