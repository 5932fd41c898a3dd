package main

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A table says how often each word was seen. Its zero value is empty and ready to
// use.
//
// Words are spread over shards by their hash, which is the same in every process.
// A shard's words only ever meet the same shard's words of another table, so
// tables are merged shard by shard: what is worked on stays in the cache of a CPU,
// and several CPUs can work at once.
type table [shardCount]shard

const shardCount = 64

// distinct is the number of different words.
func (t *table) distinct() (n int) {
	for i := range t {
		n += t[i].used
	}
	return n
}

// reset forgets all words and keeps the memory.
func (t *table) reset() {
	for i := range t {
		t[i].reset()
	}
}

// count is how often the table has seen a word.
func (t *table) count(word []byte) int64 {
	if len(word) == 0 {
		return 0
	}
	if len(word) > shortLen {
		h := hashLong(word)
		return t[shardOf(h)].findLong(h, word).count
	}
	lo, hi := loadShort(word)
	h := mix(lo, hi)
	return t[shardOf(h)].findShort(h, lo, hi).count
}

// add counts a word n more times. The word is not kept.
func (t *table) add(word []byte, n int64) {
	if len(word) > shortLen {
		t.addLong(word, n)
		return
	}
	lo, hi := loadShort(word)
	t.addShort(lo, hi, n)
}

// addShort counts a word of 1 to 16 bytes n more times.
func (t *table) addShort(lo, hi uint64, n int64) {
	h := mix(lo, hi)
	t[shardOf(h)].addShort(h, lo, hi, n)
}

// addLong counts a longer word n more times.
func (t *table) addLong(word []byte, n int64) {
	h := hashLong(word)
	t[shardOf(h)].addLong(h, word, n)
}

// A shard is a hash table with open addressing.
//
// Counting is all this program does, and most words are short. So a word of up to
// 16 bytes is kept as two numbers: to find it takes one multiplication and two
// comparisons. Only longer words are kept as text.
type shard struct {
	slots []slot // a power of two of them, at most three quarters in use
	used  int
	text  []byte // the long words: each its length in 8 bytes, then itself
}

// A slot counts one word; a count of 0 marks an empty slot.
//
//	short word   lo and hi are its bytes, little-endian, filled up with zeros
//	long word    lo is its hash, hi is longMark + where it begins in the text
//
// No byte of a word is 0 or 0xff, so no two words look the same.
type slot struct {
	lo, hi uint64
	count  int64
}

const (
	shortLen   = 16
	longMark   = 0xff << 56
	firstSlots = 64
)

func (e *slot) isLong() bool { return e.hi >= longMark }

// hash decides the shard by its upper bits and the slot by its lower ones.
func (e *slot) hash() uint64 {
	if e.isLong() {
		return e.lo
	}
	return mix(e.lo, e.hi)
}

func shardOf(hash uint64) uint64 { return hash / (1 << 64 / shardCount) }

// mix is the core of wyhash, with two of its constants.
func mix(lo, hi uint64) uint64 {
	x, y := bits.Mul64(lo^0xa0761d6478bd642f, hi^0xe7037ed1a0b428db)
	return x ^ y
}

// hashLong is the hash of a word longer than shortLen.
func hashLong(word []byte) uint64 {
	h := uint64(len(word))
	for w := word; len(w) > shortLen; w = w[shortLen:] {
		lo, hi := load(w)
		h = mix(lo^h, hi)
	}
	lo, hi := load(word[len(word)-shortLen:])
	return max(mix(lo^h, hi), 1) // no slot in use has 0 there
}

// load reads the 16 bytes of a short word, or of a part of a long one.
func load(b []byte) (lo, hi uint64) {
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
}

// loadShort is load for a word that need not have 16 bytes.
func loadShort(word []byte) (lo, hi uint64) {
	var padded [shortLen]byte
	copy(padded[:], word)
	return load(padded[:])
}

// findShort returns the slot of a short word, or the empty one where its search
// ends.
func (s *shard) findShort(hash, lo, hi uint64) *slot {
	for i := hash; len(s.slots) > 0; i++ {
		e := &s.slots[i&uint64(len(s.slots)-1)]
		if e.lo == lo && e.hi == hi || e.count == 0 {
			return e
		}
	}
	return &slot{}
}

// findLong is findShort for a long word.
func (s *shard) findLong(hash uint64, word []byte) *slot {
	for i := hash; len(s.slots) > 0; i++ {
		e := &s.slots[i&uint64(len(s.slots)-1)]
		if e.count == 0 || e.lo == hash && e.isLong() && bytes.Equal(s.long(e), word) {
			return e
		}
	}
	return &slot{}
}

func (s *shard) reset() {
	clear(s.slots)
	s.used, s.text = 0, s.text[:0]
}

func (s *shard) addShort(hash, lo, hi uint64, n int64) {
	if e := s.findShort(hash, lo, hi); e.count != 0 {
		e.count += n
		return
	}
	s.insert(hash, slot{lo, hi, n})
}

func (s *shard) addLong(hash uint64, word []byte, n int64) {
	if e := s.findLong(hash, word); e.count != 0 {
		e.count += n
		return
	}
	s.insert(hash, slot{hash, longMark + uint64(len(s.text)), n})
	s.text = binary.LittleEndian.AppendUint64(s.text, uint64(len(word)))
	s.text = append(s.text, word...)
}

// insert adds a word that is not there yet.
func (s *shard) insert(hash uint64, e slot) {
	s.used++
	s.reserve(s.used)
	s.place(hash, e)
}

// reserve makes room for n words in all.
func (s *shard) reserve(n int) {
	if 4*n <= 3*len(s.slots) {
		return
	}
	size := max(firstSlots, 2*len(s.slots))
	for 4*n > 3*size {
		size *= 2
	}
	old := s.slots
	s.slots = make([]slot, size)
	for i := range old {
		if old[i].count != 0 {
			s.place(old[i].hash(), old[i])
		}
	}
}

// place writes e to the first empty slot of its search.
func (s *shard) place(hash uint64, e slot) {
	for i := hash; ; i++ {
		to := &s.slots[i&uint64(len(s.slots)-1)]
		if to.count == 0 {
			*to = e
			return
		}
	}
}

// long returns the text of a long word.
func (s *shard) long(e *slot) []byte {
	at := e.hi - longMark
	n := binary.LittleEndian.Uint64(s.text[at:])
	return s.text[at+8:][:n]
}

// spell writes the bytes of a short word to buf.
func (e *slot) spell(buf *[shortLen]byte) []byte {
	binary.LittleEndian.PutUint64(buf[:], e.lo)
	binary.LittleEndian.PutUint64(buf[8:], e.hi)
	n := shortLen - bits.LeadingZeros64(e.hi)/8
	if e.hi == 0 {
		n = 8 - bits.LeadingZeros64(e.lo)/8
	}
	return buf[:n]
}
