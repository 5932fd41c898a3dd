package stepkill

// A Path is the way of a victim through an operation, instruction by instruction.
type Path struct {
	// Visible is after which instructions others can tell a difference, because memory
	// has changed that the victim shares with them, or because the kernel was entered.
	// To be killed after any other instruction is the same for the others as to be
	// killed after the last of those before it: each byte that they share with the
	// victim is the same then, and so is all that the kernel knows of it.
	Visible []int

	at    []uint64       // where each instruction is
	times map[uint64]int // how often the one there was executed
}

// Len is how many instructions there are.
func (p *Path) Len() int { return len(p.at) }

// count counts how often each place was come to.
func (p *Path) count() {
	p.times = make(map[uint64]int)
	for _, pc := range p.at {
		p.times[pc]++
	}
}

// landmark is the last place that the path comes to only once, after at most k
// instructions. It returns after how many that is; 0 if there is none.
func (p *Path) landmark(k int) (n int, pc uint64) {
	for n = min(k, p.Len()-1); n > 0; n-- {
		if pc = p.at[n]; p.times[pc] == 1 {
			return n, pc
		}
	}
	return 0, 0
}
