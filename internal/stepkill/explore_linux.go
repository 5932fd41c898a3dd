package stepkill

import (
	"hash/maphash"
	"os"

	"github.com/mpgo/mp/internal/sys"
)

// Explore has the victim do the rest of the operation, and returns the way that it went.
// It reports each instruction to done: on a busy machine there may be minutes of them.
//
// That others change the shared memory meanwhile does no harm; it only adds to what is
// visible.
func (v *Victim) Explore(shared *os.File, done func(n int)) (*Path, error) {
	p := new(Path)
	m := memory{file: shared, seed: maphash.MakeSeed(), buffer: make([]byte, 256<<10)}
	before, err := m.sum()
	for err == nil && !v.over {
		var call bool
		var after uint64
		if call, err = v.observe(p); err == nil {
			after, err = m.sum()
		}
		if call || after != before {
			p.Visible = append(p.Visible, p.Len())
		}
		before = after
		done(p.Len())
	}
	p.count()
	return p, err
}

// observe executes one instruction, and adds it to the path. It reports whether the
// kernel was entered.
func (v *Victim) observe(p *Path) (call bool, err error) {
	at, call, err := sys.NextInstruction(v.thread)
	if err == nil {
		_, err = v.Step(1)
		p.at = append(p.at, at)
	}
	return call, err
}

// memory is a sparse file whose contents are told apart by a hash of 64 bits.
type memory struct {
	file   *os.File
	seed   maphash.Seed
	buffer []byte
}

// sum is the hash of what is in the file, and of where.
func (m *memory) sum() (sum uint64, err error) {
	const seekData, seekHole = 3, 4 // lseek(2)
	for end := int64(0); ; {
		begin, err := m.file.Seek(end, seekData)
		if err != nil {
			return sum, nil // only a hole is left
		}
		if end, err = m.file.Seek(begin, seekHole); err != nil {
			return 0, err
		}
		if sum, err = m.add(sum, begin, end); err != nil {
			return 0, err
		}
	}
}

// add adds the bytes from begin to end to a hash.
func (m *memory) add(sum uint64, begin, end int64) (uint64, error) {
	for begin < end {
		n, err := m.file.ReadAt(m.buffer[:min(int64(len(m.buffer)), end-begin)], begin)
		if n == 0 {
			return 0, err
		}
		sum = maphash.Comparable(m.seed, [3]uint64{sum, uint64(begin), maphash.Bytes(m.seed, m.buffer[:n])})
		begin += int64(n)
	}
	return sum, nil
}
