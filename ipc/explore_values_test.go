//go:build explore

package ipc

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mpgo/mp/internal/explore"
)

func init() {
	models["cell"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredCell}
	models["claims"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredClaims}
}

// exploredCell: two processes raise both halves of a value, a third one reads it. The
// halves are always equal, no reading goes back, and no replacement is lost.
func exploredCell(x *explore.Execution) {
	const size = 16
	c := newCosmos(x, 3)
	mem := make([]byte, CellSize(size))
	explore.Words(x, "cell", (*[cellCopies + 2*64]byte)(mem))
	halves := func(b []byte) uint64 {
		first, second := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
		x.Check(first == second, "halves of two values: %d and %d", first, second)
		return first
	}
	done := 0
	for i, p := range c.citizens {
		cell := NewCell(p, mem, size)
		bells(x, cell.lock.gate)
		b := make([]byte, size)
		if i == 2 {
			x.Process(func() {
				last := uint64(0)
				for range 2 {
					cell.Load(b)
					v := halves(b)
					x.Check(v >= last, "%d after %d", v, last)
					last = v
				}
			})
			continue
		}
		x.Process(func() {
			c.must(cell.Replace(context.Background(), b, func() error {
				v := halves(b) + 1
				binary.NativeEndian.PutUint64(b, v)
				binary.NativeEndian.PutUint64(b[8:], v)
				return nil
			}))
			done++
		})
	}
	x.Finally(func() error {
		b := make([]byte, size)
		NewCell(c.citizens[2], mem, size).Load(b)
		first, second := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
		if first != second || first < uint64(done) || first > 2 {
			return fmt.Errorf("%d and %d after %d replacements", first, second, done)
		}
		return nil
	})
}

// exploredClaims: a taker claims four tasks in their order, a giver takes some back,
// twice. Each task is begun by the taker, or the giver's again, and never both.
func exploredClaims(x *explore.Execution) {
	newCosmos(x, 2)
	claims := new(Claims)
	explore.Words(x, "claims", claims)
	claims.Reopen(^uint32(0) - 1) // so that the numbers go round
	first, last := claims.Next(), claims.Next()+4
	var begun [4]bool
	from := last
	x.Process(func() {
		for n := first; n != last && claims.Claim(n); n++ {
			begun[n-first] = true
		}
	})
	x.Witness(func() {
		for _, keep := range []uint32{2, 0} {
			if back := claims.TakeBack(keep); back-first < from-first {
				from = back
			}
		}
	})
	x.Finally(func() error {
		for n := range begun {
			if begun[n] && uint32(n) >= from-first {
				return fmt.Errorf("task %d was begun, and taken back from %d on", n, from-first)
			}
			if !begun[n] && uint32(n) < from-first && !x.Killed(0) {
				return fmt.Errorf("task %d is nobody's", n)
			}
		}
		return nil
	})
}
