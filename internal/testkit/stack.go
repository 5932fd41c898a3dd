package testkit

// GrowStack calls itself that deep, at most 1023, with a KiB of stack each time: so the stack of
// a young goroutine moves, more than once.
func GrowStack(depth int) byte {
	var frame [1024]byte
	frame[depth] = byte(depth)
	if depth > 0 {
		return GrowStack(depth-1) + frame[depth]
	}
	return frame[0]
}
