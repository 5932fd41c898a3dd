package storm

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mpgo/mp"
)

// A cargo is a message of many bytes: its number, and then what follows from that.

const (
	leastCargo = 8
	mostCargo  = 1 << 20
)

// fill makes b the message of that number.
func fill(b []byte, number int64) {
	binary.LittleEndian.PutUint64(b, uint64(number))
	for i := leastCargo; i < len(b); i++ {
		b[i] = byte(int(number) + i*7)
	}
}

// cargoNumber is the number of a message, if that is whole.
func cargoNumber(b []byte) (int64, error) {
	if len(b) < leastCargo {
		return 0, fmt.Errorf("a message of %d bytes", len(b))
	}
	number := int64(binary.LittleEndian.Uint64(b))
	for i := leastCargo; i < len(b); i++ {
		if want := byte(int(number) + i*7); b[i] != want {
			return 0, fmt.Errorf("byte %d of %d of message %d is %#x, where %#x is due", i, len(b), number, b[i], want)
		}
	}
	return number, nil
}

func (h *hand) putLarge(l Line[[]byte]) error {
	size := leastCargo + h.rng.IntN(2000)
	if h.chance(8) {
		size = leastCargo + h.rng.IntN(mostCargo)
	}
	return h.enters(l.Ledger, 1, func(number int64) (int, error) {
		if h.chance(2) {
			b := make([]byte, size)
			fill(b, number)
			return puts(h, l.Queue, b)
		}
		return h.publish(l.Queue, size, number)
	})
}

// publish writes a message where it will be read.
func (h *hand) publish(q *mp.Queue[[]byte], size int, number int64) (int, error) {
	loan, err := mp.Loan(q, size)
	if err != nil {
		return 0, err
	}
	fill(loan.Slice(), number)
	if err := loan.TryPublish(); err != nil {
		loan.Discard()
		return 0, err
	}
	return 1, nil
}

func (h *hand) getLarge(l Line[[]byte]) error {
	h.open(1)
	defer h.open(0)
	if h.chance(2) {
		b, err := gets(h, l.Queue, l.Queue.Get, l.Queue.TryGet)
		if err != nil {
			return err
		}
		return h.haveLarge(l.Ledger, b)
	}
	b, err := gets(h, l.Queue,
		func(ctx context.Context) (*mp.Borrowed[byte], error) { return mp.Borrow(ctx, l.Queue) },
		func() (*mp.Borrowed[byte], error) { return mp.TryBorrow(l.Queue) })
	if err != nil {
		return err
	}
	defer b.Release()
	return h.haveLarge(l.Ledger, b.Slice())
}

func (h *hand) haveLarge(l Ledger, b []byte) error {
	number, err := cargoNumber(b)
	if err != nil {
		return err
	}
	return h.have(l, newMessage(number))
}

// A Parcel is a message with a handle of a Value that is made for it.
type Parcel struct {
	Number int64
	Value  *mp.Value[int64]
}

func (h *hand) putParcel(l Line[Parcel]) error {
	return h.enters(l.Ledger, 1, func(number int64) (int, error) {
		v, err := mp.NewValue(number)
		if err != nil {
			return 0, err
		}
		done, err := puts(h, l.Queue, Parcel{number, v})
		return done, worst(err, v.Free())
	})
}

func (h *hand) getParcel(l Line[Parcel]) error {
	h.open(1)
	defer h.open(0)
	p, err := gets(h, l.Queue, l.Queue.Get, l.Queue.TryGet)
	if err != nil {
		return err
	}
	if v := p.Value.Load(); v != p.Number {
		return fmt.Errorf("parcel %d has a Value that is %d", p.Number, v)
	}
	return worst(h.have(l.Ledger, newMessage(p.Number)), p.Value.Free())
}
