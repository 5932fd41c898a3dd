package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
)

// A packed table is how a worker hands its table back, one shard after the other:
//
//	8 bytes        number n of words
//	8 bytes        length m of the text
//	n × 24 bytes   the slots in use: lo, hi, count
//	m bytes        the text
//
// Numbers are little-endian.
const (
	packedHead = 16
	packedSlot = 24
)

var errDamaged = errors.New("the table of a worker is damaged")

// pack appends the table in its packed form to b.
func (t *table) pack(b []byte) []byte {
	b = slices.Grow(b, t.packedSize())
	for i := range t {
		s := &t[i]
		b = binary.LittleEndian.AppendUint64(b, uint64(s.used))
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s.text)))
		b = append(s.packSlots(b), s.text...)
	}
	return b
}

func (t *table) packedSize() int {
	size := shardCount*packedHead + packedSlot*t.distinct()
	for i := range t {
		size += len(t[i].text)
	}
	return size
}

// packSlots appends the slots in use to b.
func (s *shard) packSlots(b []byte) []byte {
	le := binary.LittleEndian
	for i := range s.slots {
		if e := &s.slots[i]; e.count != 0 {
			b = le.AppendUint64(b, e.lo)
			b = le.AppendUint64(b, e.hi)
			b = le.AppendUint64(b, uint64(e.count))
		}
	}
	return b
}

// A packedTable is a table that can only be read from front to back. Its shards may
// be parts of a message.
type packedTable [shardCount]packedShard

type packedShard struct {
	slots []byte
	text  []byte
}

// packed is the table for reading only, with memory of its own.
func (t *table) packed() *packedTable {
	p := new(packedTable)
	for i := range t {
		p[i] = t[i].packed()
	}
	return p
}

func (s *shard) packed() packedShard {
	return packedShard{
		slots: s.packSlots(make([]byte, 0, packedSlot*s.used)),
		text:  bytes.Clone(s.text),
	}
}

// distinct is the number of different words.
func (p *packedTable) distinct() (n int) {
	for i := range p {
		n += len(p[i].slots) / packedSlot
	}
	return n
}

// size is the number of bytes it takes.
func (p *packedTable) size() (n int) {
	for i := range p {
		n += len(p[i].slots) + len(p[i].text)
	}
	return n
}

// all yields every word with its count, in no useful order, of a table that was
// merged or packed here and so is whole. A word is good until the next is asked for.
func (p *packedTable) all() iter.Seq2[[]byte, int64] {
	return func(yield func([]byte, int64) bool) {
		var buf [shortLen]byte
		for i := range p {
			for b := p[i].slots; len(b) > 0; b = b[packedSlot:] {
				e := unpackSlot(b)
				word := e.spell(&buf)
				if e.isLong() {
					word, _ = p[i].long(&e)
				}
				if !yield(word, e.count) {
					return
				}
			}
		}
	}
}

func unpackSlot(b []byte) slot {
	lo, hi := load(b)
	return slot{lo, hi, int64(binary.LittleEndian.Uint64(b[shortLen:]))}
}

// openPacked finds the shards of a packed table.
func openPacked(b []byte) (*packedTable, error) {
	p := new(packedTable)
	for i := range p {
		if len(b) < packedHead {
			return nil, errDamaged
		}
		n, m := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		b = b[packedHead:]
		if n > uint64(len(b))/packedSlot || m > uint64(len(b))-n*packedSlot {
			return nil, errDamaged
		}
		p[i].slots, b = b[:n*packedSlot], b[n*packedSlot:]
		p[i].text, b = b[:m], b[m:]
	}
	if len(b) != 0 {
		return nil, errDamaged
	}
	return p, nil
}

// merge adds the counts of a packed shard to s.
func (s *shard) merge(p packedShard) error {
	s.reserve(s.used + len(p.slots)/packedSlot)
	for b := p.slots; len(b) > 0; b = b[packedSlot:] {
		e := unpackSlot(b)
		if e.count <= 0 || e.lo == 0 {
			return errDamaged
		}
		if !e.isLong() {
			s.addShort(e.hash(), e.lo, e.hi, e.count)
			continue
		}
		word, err := p.long(&e)
		if err != nil {
			return err
		}
		s.addLong(e.lo, word, e.count)
	}
	return nil
}

// long returns the text of a long word.
func (p packedShard) long(e *slot) ([]byte, error) {
	at := e.hi - longMark
	if at > uint64(len(p.text)) || uint64(len(p.text))-at < 8 {
		return nil, errDamaged
	}
	n, text := binary.LittleEndian.Uint64(p.text[at:]), p.text[at+8:]
	if n <= shortLen || n > uint64(len(text)) {
		return nil, errDamaged
	}
	return text[:n], nil
}
