package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var wordPattern = regexp.MustCompile(`[A-Za-z0-9_]+`)

// slowCount is what the whole program must agree with.
func slowCount(text []byte) map[string]int64 {
	counts := make(map[string]int64)
	for _, word := range wordPattern.FindAll(text, -1) {
		counts[string(word)]++
	}
	return counts
}

func contents(t *table) map[string]int64 { return listed(t.packed()) }

func listed(p *packedTable) map[string]int64 {
	counts := make(map[string]int64)
	for word, n := range p.all() {
		counts[string(word)] += n
	}
	return counts
}

func total(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// smallCounter reads so little at a time that every word crosses a border.
func smallCounter(read int) *counter {
	return &counter{buf: make([]byte, read+slack)}
}

// texts are made of few different bytes, so that words repeat and are long and short.
func texts() *rapid.Generator[[]byte] {
	some := rapid.SliceOfN(rapid.SampledFrom([]byte("aaaaaaaaabZ_9 \n\x00\xff-@[`{/:")), 0, 200)
	return rapid.OneOf(some, rapid.SliceOf(rapid.Byte()))
}

func TestEveryWordIsCountedOnceWhereverTheBordersAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "text")
		read := rapid.IntRange(1, 40).Draw(t, "bytes read at a time")
		step := rapid.Int64Range(1, 50).Draw(t, "bytes a piece")

		c := smallCounter(read)
		var sum tally
		for off := int64(0); off == 0 || off < int64(len(text)); off += step {
			end := off + step
			if end >= int64(len(text)) {
				end = toEOF
			}
			counted, err := c.count(context.Background(), bytes.NewReader(text), off, end)
			require.NoError(t, err)
			sum.add(counted)
		}

		want := slowCount(text)
		require.Equal(t, want, contents(&c.table))
		require.Equal(t, tally{Bytes: int64(len(text)), Words: total(want)}, sum)
		require.Equal(t, len(want), c.table.distinct())
	})
}

func TestEveryByteIsAWordByteExactlyIfThePatternSaysSo(t *testing.T) {
	for b := range 256 {
		require.Equal(t, wordPattern.Match([]byte{byte(b)}), isWord[b], "byte %#x", b)
	}
}

func TestWordOfAnyLength(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33, readSize - 1, readSize, readSize + 1, 3*readSize + 5} {
		word := strings.Repeat("x", n-1) + "y"
		c := newCounter()
		sum, err := c.count(context.Background(), strings.NewReader(word+" "+word+"\n"), 0, toEOF)
		require.NoError(t, err)
		require.EqualValues(t, 2, sum.Words)
		require.Equal(t, map[string]int64{word: 2}, contents(&c.table))
		require.EqualValues(t, 2, c.table.count([]byte(word)))
	}
}

func TestWordsThatDifferOnlyInLengthOrInTheLastByteAreDifferent(t *testing.T) {
	var text []string
	for n := range 40 {
		stem := strings.Repeat("0", n)
		text = append(text, stem+"0", stem+"1")
	}
	joined := strings.Join(text, " ")
	c := newCounter()
	_, err := c.count(context.Background(), strings.NewReader(joined), 0, toEOF)
	require.NoError(t, err)
	require.Equal(t, slowCount([]byte(joined)), contents(&c.table))
}

func TestPieceBehindTheEndOfAFileThatShrankIsEmpty(t *testing.T) {
	c := newCounter()
	sum, err := c.count(context.Background(), strings.NewReader("short"), 100, 200)
	require.NoError(t, err)
	require.Zero(t, sum)
}

func TestProgressHearsOfEverythingCounted(t *testing.T) {
	c := smallCounter(8)
	var heard tally
	c.progress = heard.add
	sum, err := c.count(context.Background(), strings.NewReader("one two three four five"), 0, toEOF)
	require.NoError(t, err)
	require.Equal(t, sum, heard)
	require.EqualValues(t, 5, heard.Words)
}

func TestCancelledCountStopsWithinAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := smallCounter(8)
	c.progress = func(tally) { cancel() }
	_, err := c.count(ctx, endless{}, 0, toEOF)
	require.ErrorIs(t, err, context.Canceled)
}

type endless struct{}

func (endless) ReadAt(b []byte, _ int64) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestReadErrorEndsTheFileAndKeepsWhatWasCounted(t *testing.T) {
	broken := errors.New("broken disk")
	c := smallCounter(8)
	sum, err := c.count(context.Background(), failing{strings.NewReader("one two three"), broken}, 0, toEOF)
	require.ErrorIs(t, err, broken)
	require.EqualValues(t, total(contents(&c.table)), sum.Words)
	require.Positive(t, sum.Words)
}

// failing reads 8 bytes and no more.
type failing struct {
	io.ReaderAt
	err error
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off > 0 {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(b, off)
}
