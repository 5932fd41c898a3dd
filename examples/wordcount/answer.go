package main

import (
	"encoding/binary"
	"strings"
)

// An answer is what a worker hands back for a job. It goes its way as bytes, which a
// pool copies as they are: a struct would be encoded and decoded, for nearly a
// megabyte of table each time.
//
//	24 bytes   files, bytes, words
//	8 bytes    length of the problems
//	…          the problems, with a zero byte between two
//	…          the packed table
type answer struct {
	tally    tally
	problems []string
	table    *packedTable
}

const answerHead = 32

// encodeAnswer is the answer of a worker that has counted into t.
func encodeAnswer(sum tally, problems []string, t *table) []byte {
	le := binary.LittleEndian
	text := strings.Join(problems, "\x00")
	b := make([]byte, 0, answerHead+len(text)+t.packedSize())
	for _, n := range []int64{sum.Files, sum.Bytes, sum.Words, int64(len(text))} {
		b = le.AppendUint64(b, uint64(n))
	}
	return t.pack(append(b, text...))
}

// decodeAnswer reads an answer. The table stays a part of b.
func decodeAnswer(b []byte) (a answer, err error) {
	if len(b) < answerHead {
		return a, errDamaged
	}
	number := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	a.tally = tally{number(0), number(1), number(2)}
	size, rest := number(3), b[answerHead:]
	if size < 0 || size > int64(len(rest)) {
		return a, errDamaged
	}
	if size > 0 {
		a.problems = strings.Split(string(rest[:size]), "\x00")
	}
	a.table, err = openPacked(rest[size:])
	return a, err
}
