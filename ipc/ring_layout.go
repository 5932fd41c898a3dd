package ipc

// A cellLayout says where the cells of a ring lie, and where their messages.
//
// A message that fits into the line of its cell follows it there: who waits for one message
// at a time waits for one line. Those of some lines have the cells, four to a line, before
// all messages, each of which begins a line: where many are on their way, the lines count
// that pass from CPU to CPU, for 64 bytes 1.25 a message in place of 2. Longer ones follow
// their cells again, where a line more or less makes no difference.
//
//	inline       cell i      its message
//	0…48         64 × i      16 bytes after it
//	49…256       16 × i      room × i after the cells, which end with a whole line
//	257…         room × i    16 bytes after it
type cellLayout struct {
	stride   uint64 // bytes from cell to cell
	messages uint64 // from the first cell to its message
	room     uint64 // from message to message
}

func layoutFor(capacity, inline uint64) cellLayout {
	if cellHeaderSize+inline > cellAlign && inline <= mostQuick {
		return cellLayout{cellHeaderSize, wholeLines(capacity * cellHeaderSize), wholeLines(inline)}
	}
	stride := wholeLines(cellHeaderSize + inline)
	return cellLayout{stride, cellHeaderSize, stride}
}

// wholeLines is the length of the lines that n bytes take.
func wholeLines(n uint64) uint64 { return (n + cellAlign - 1) &^ (cellAlign - 1) }

// apart reports whether cells and messages do not lie together.
func (l cellLayout) apart() bool { return l.stride == cellHeaderSize }

// size is the length of the memory of so many cells and their messages.
func (l cellLayout) size(capacity uint64) uint64 {
	if l.apart() {
		return l.messages + capacity*l.room
	}
	return capacity * l.stride
}

// each is what a cell and its message take of that, but for the end of a line.
func (l cellLayout) each() uint64 {
	if l.apart() {
		return l.stride + l.room
	}
	return l.stride
}

// cell is cell i, which is less than the capacity.
func (c *cells) cell(i uint64) *cellHeader { return c.first.at(i * c.layout.stride) }

// indexOf is the reverse of cell.
func (c *cells) indexOf(h *cellHeader) uint64 { return c.first.offset(h) / c.layout.stride }
