package ipc

import (
	"math"

	"github.com/mpgo/mp/internal/shared"
)

// Claims is one word in shared memory by which a giver and a taker of numbered
// tasks agree which of them the taker begins. The giver numbers the tasks in the
// order in which it puts them into a Stream; the taker asks with Claim before it
// begins one, and the giver may take back what was not claimed yet: from the last
// one on, as far as it likes.
//
//	bits 63..32  left   how many more the taker may claim; all ones: any number
//	bits 31..0   next   the number that the taker claims next; it goes round
//
// Who changes what: the taker counts next up and left down, one at a time. The
// giver lowers left (TakeBack), and, once the taker can claim nothing more and has
// answered everything, sets both anew (Reopen). So each task is claimed, or taken
// back, or still in the stream, and all by a single CAS on a single word.
//
// Numbers that were taken back are void: what carries them still lies in the
// stream, and Claim refuses it, because left is 0 or, after Reopen, because next
// has passed it. So Reopen can say "go on with number n" while the taker is still on
// its way through what is void.
//
// # A kill of the taker after each step
//
//	before the CAS of Claim   the task is unclaimed: next names it
//	after it                  the task is claimed: next has passed it
//
// When the taker is proven dead, the giver reads next once more: of the tasks it
// gave and did not take back, those from next on were never begun; those before it
// are done if they are answered, and at most one is not.
type Claims struct{ word shared.Uint64 }

// unlimited is the value of left for any number.
const unlimited = math.MaxUint32

func claimWord(next, left uint32) uint64 { return uint64(left)<<32 | uint64(next) }

func splitClaim(w uint64) (next, left uint32) { return uint32(w), uint32(w >> 32) }

// Claim is the taker's: it reports whether the taker may begin task n. If not, the
// giver has taken it back.
func (c *Claims) Claim(n uint32) bool {
	for { // again if the giver took something back between Load and CAS
		w := c.word.Load()
		next, left := splitClaim(w)
		if next != n || left == 0 {
			return false
		}
		if left != unlimited {
			left--
		}
		if c.word.CompareAndSwap(w, claimWord(next+1, left)) { // claims n
			return true
		}
	}
}

// TakeBack is the giver's: of the tasks that are not claimed yet it leaves keep to
// the taker, or fewer if it left fewer before. It returns the first number that is
// the giver's now; the giver must not put anything into the stream until it has
// called Reopen.
func (c *Claims) TakeBack(keep uint32) (from uint32) {
	for { // again if the taker claimed one between Load and CAS
		w := c.word.Load()
		next, left := splitClaim(w)
		if left = min(left, keep); c.word.CompareAndSwap(w, claimWord(next, left)) { // claims next+left and all later ones
			return next + left
		}
	}
}

// Reopen is the giver's: it goes on with number n. All that the taker has claimed
// must have been answered, and nothing be left to claim.
func (c *Claims) Reopen(n uint32) { c.word.Store(claimWord(n, unlimited)) }

// Next is the number that comes next: all before it were claimed or are void.
func (c *Claims) Next() uint32 {
	next, _ := splitClaim(c.word.Load())
	return next
}
