package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTopWordsAreTheMostFrequentInAFixedOrder(t *testing.T) {
	tab := tableOf(t, "c b b a a rare common common common")
	require.Equal(t, []wordCount{{"common", 3}, {"a", 2}, {"b", 2}}, topWords(tab.packed(), 3))
	require.Len(t, topWords(tab.packed(), 1000), 5)
	require.Empty(t, topWords(tab.packed(), 0))
	require.Empty(t, topWords(new(packedTable), 10))
}

func TestTopWordsAreFoundAmongManyMoreThanAskedFor(t *testing.T) {
	tab := new(table)
	for i := range 10_000 {
		word := fmt.Sprintf("word%06d", i)
		tab.add([]byte(word), int64(i%5000)+1)
	}
	require.Equal(t, []wordCount{{"word004999", 5000}, {"word009999", 5000}, {"word004998", 4999}}, topWords(tab.packed(), 3))
}

func TestTopIsOneLineAWord(t *testing.T) {
	var out bytes.Buffer
	long := strings.Repeat("x", 1000)
	require.NoError(t, printTop(&out, []wordCount{{"the", 12345}, {long, 1}}))
	require.Equal(t, "     12345  the\n         1  "+long[:60]+"... (1000 bytes)\n", out.String())
}

func TestLastLineIsForMachines(t *testing.T) {
	s := summary{tally: tally{1, 2, 3}, distinct: 4, workers: 5, skipped: 6, took: 7 * time.Second / 2}
	require.Equal(t, "files=1 bytes=2 words=3 distinct=4 workers=5 seconds=3.500 skipped=6", s.String())
}

func TestProgressLineFitsIntoEightyColumns(t *testing.T) {
	line := progressLine(tally{1_000_000, 10 << 40, 1 << 50}, 255, 255, 24*time.Hour)
	require.Less(t, len(line), 80)
	line = progressLine(tally{12, 3_400_000, 500_000}, 2, 4, time.Second/2)
	require.Equal(t, "12 files  3.4 MB  1.0 M words/s  2 of 4 workers busy", line)
	require.Contains(t, progressLine(tally{}, 0, 1, 0), "0.0 M words/s")
}

func TestAFileThatFailsTwiceIsNamedOnce(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.complain(errors.New("open a: no"))
	s.complain(errors.New("open a: no"))
	s.complain(errors.New("open b: no"))
	require.Equal(t, 2, s.skipped())
	require.Equal(t, "wordcount: open a: no\nwordcount: open b: no\n", out.String())
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-workers", "-1"}, {"-top=-3"}, {"-kill", "-1"}, {"-workers", "many"}, {"-nonsense"}} {
		var said bytes.Buffer
		_, err := parseOptions(args, &said)
		require.Error(t, err, args)
		require.NotEmpty(t, said.String(), args)
	}
	o, err := parseOptions([]string{"-workers", "3", "-top", "0", "-quiet", "-verify", "a", "b"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, options{workers: 3, quiet: true, verify: true, paths: []string{"a", "b"}}, o)
}
