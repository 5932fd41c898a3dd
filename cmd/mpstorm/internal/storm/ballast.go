package storm

import (
	"errors"

	"github.com/mpgo/mp"
)

// A ballast is shared memory that the captain takes so that hardly any is left for the
// crew: less than leastBallast. Births and small things succeed now and then.
type ballast []*mp.Array[byte]

const leastBallast = 2 << 20

// takeBallast takes all there is, in pieces of half the size each time that one of the
// whole size cannot be had.
func takeBallast() (b ballast, err error) {
	for size := ArenaSize; size >= leastBallast; {
		piece, err := mp.NewArray[byte](size)
		switch {
		case err == nil:
			b = append(b, piece)
		case full(err) || errors.Is(err, mp.ErrTooLarge):
			size /= 2
		default:
			return b, err
		}
	}
	return b, nil
}

func (b ballast) free() (err error) {
	for _, piece := range b {
		err = errors.Join(err, piece.Free())
	}
	return err
}
