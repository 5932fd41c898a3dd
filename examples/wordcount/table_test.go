package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func tableOf(t require.TestingT, text string) *table {
	c := newCounter()
	_, err := c.count(context.Background(), strings.NewReader(text), 0, toEOF)
	require.NoError(t, err)
	return &c.table
}

func TestMergedTablesHoldTheSumOfTheirCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		var m merger
		for _, text := range rapid.SliceOf(texts()).Draw(t, "texts") {
			require.NoError(t, m.add(tableOf(t, string(text)).packed()))
			all = append(append(all, ' '), text...)
			if rapid.Bool().Draw(t, "merge now") {
				_, err := m.merge()
				require.NoError(t, err)
			}
		}
		merged, err := m.merge()
		require.NoError(t, err)
		require.Equal(t, slowCount(all), listed(merged))
		require.Equal(t, len(slowCount(all)), merged.distinct())
	})
}

func TestMergeGrowsFarBeyondItsFirstSize(t *testing.T) {
	var m merger
	for round := range 3 {
		var text strings.Builder
		for i := range 30_000 {
			fmt.Fprintf(&text, "w%d a_much_longer_word_%d only%dhere%d ", i, i, i, round)
		}
		require.NoError(t, m.add(tableOf(t, text.String()).packed()))
	}
	merged, err := m.merge()
	require.NoError(t, err)
	words := listed(merged)
	require.Len(t, words, 5*30_000)
	require.EqualValues(t, 3, words["w29999"])
	require.EqualValues(t, 3, words["a_much_longer_word_29999"])
	require.EqualValues(t, 1, words["only7here2"])
}

func TestResetTableIsEmptyAndUsable(t *testing.T) {
	tab := tableOf(t, "short and a_word_that_is_quite_long")
	tab.reset()
	require.Zero(t, tab.distinct())
	require.Empty(t, contents(tab))
	tab.add([]byte("another_long_word_for_it"), 2)
	require.Equal(t, map[string]int64{"another_long_word_for_it": 2}, contents(tab))
}

func TestUnknownAndEmptyWordsHaveNoCount(t *testing.T) {
	tab := tableOf(t, "some words")
	require.Zero(t, tab.count(nil))
	require.Zero(t, tab.count([]byte("other")))
	require.Zero(t, new(table).count([]byte("other")))
	require.Zero(t, new(table).count([]byte("a_word_that_is_quite_long")))
}

func TestAnswerArrivesWhole(t *testing.T) {
	words := tableOf(t, "short words, and a_word_that_is_quite_long")
	for _, problems := range [][]string{nil, {"one"}, {"open \xff\n: no", "two"}} {
		a, err := decodeAnswer(encodeAnswer(tally{1, 2, 3}, problems, words))
		require.NoError(t, err)
		require.Equal(t, tally{1, 2, 3}, a.tally)
		require.Equal(t, problems, a.problems)
		require.Equal(t, contents(words), listed(a.table))
	}
}

func TestDamagedAnswerIsAnErrorNotACrash(t *testing.T) {
	whole := encodeAnswer(tally{1, 2, 3}, []string{"a problem"}, tableOf(t, "short words, and a_word_that_is_quite_long"))
	for n := range len(whole) {
		require.Error(t, mergeAnswer(whole[:n]), "cut off after %d bytes", n)
	}
	require.Error(t, mergeAnswer(append(bytes.Clone(whole), 0)))
	for at := 0; at+8 <= len(whole); at += 8 {
		for _, v := range []uint64{0, 1, 1 << 31, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			broken := bytes.Clone(whole)
			binary.LittleEndian.PutUint64(broken[at:], v)
			_ = mergeAnswer(broken) // must come back
		}
	}
}

func FuzzAnyAnswer(f *testing.F) {
	f.Add(encodeAnswer(tally{1, 2, 3}, []string{"a problem"}, tableOf(f, "short words, and a_word_that_is_quite_long")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packed []byte) { _ = mergeAnswer(packed) })
}

func mergeAnswer(packed []byte) error {
	a, err := decodeAnswer(packed)
	if err != nil {
		return err
	}
	var m merger
	if err := m.add(a.table); err != nil {
		return err
	}
	_, err = m.merge()
	return err
}
