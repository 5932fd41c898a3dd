package stepkill

import (
	"hash/maphash"
	"io"
	"os"
)

// Explore has the victim do the rest of the operation. It returns after which
// instructions others can tell a difference, because memory has changed that the
// victim shares with them, or because the kernel was entered; and how many instructions
// there are. To be killed after any other instruction is the same for the others as to
// be killed after the last of those before it.
//
// It reports each instruction to done: on a busy machine there may be minutes of them.
//
// That others change the memory meanwhile does no harm; it only adds instructions.
func (v *Victim) Explore(shared *os.File, done func(n int)) (visible []int, all int, err error) {
	before, err := contents(shared)
	for n := 1; err == nil && !v.over; n++ {
		var call bool
		if call, err = v.inSystemCall(); err == nil {
			_, err = v.Step(1)
		}
		if err != nil {
			break
		}
		var after uint64
		after, err = contents(shared)
		if call || after != before {
			visible = append(visible, n)
		}
		before, all = after, n
		done(n)
	}
	return visible, all, err
}

var seed = maphash.MakeSeed()

// contents tells contents of a sparse file apart.
func contents(f *os.File) (uint64, error) {
	const seekData, seekHole = 3, 4 // lseek(2)
	var hash maphash.Hash
	hash.SetSeed(seed)
	for end := int64(0); ; {
		begin, err := f.Seek(end, seekData)
		if err != nil {
			return hash.Sum64(), nil // only a hole is left
		}
		if end, err = f.Seek(begin, seekHole); err != nil {
			return 0, err
		}
		if _, err := io.Copy(&hash, io.NewSectionReader(f, begin, end-begin)); err != nil {
			return 0, err
		}
	}
}
