package main

import (
	"context"
	"io"
	"os"
)

// A tally is what was counted.
type tally struct {
	Files, Bytes, Words int64
}

func (t *tally) add(more tally) {
	t.Files += more.Files
	t.Bytes += more.Bytes
	t.Words += more.Words
}

// A counter counts the words of files into its table. The same code runs in every
// worker and in the single process of -verify.
type counter struct {
	table table
	buf   []byte
	// progress, if set, hears of everything counted, a buffer at a time.
	progress func(tally)
}

const (
	readSize = 256 << 10
	// A short word is loaded 16 bytes at a time, whatever its length, so that many
	// bytes behind the last one must be readable.
	slack = shortLen
)

func newCounter() *counter {
	return &counter{buf: make([]byte, readSize+slack)}
}

// countPiece counts one piece. A file of several is counted as a file by its first.
// With an error comes what was counted until then.
func (c *counter) countPiece(ctx context.Context, p piece) (tally, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return tally{}, err
	}
	defer f.Close()
	sum, err := c.count(ctx, f, p.Off, p.End)
	if err == nil && p.Off == 0 {
		c.note(&sum, tally{Files: 1})
	}
	return sum, err
}

func (c *counter) note(sum *tally, more tally) {
	sum.add(more)
	if c.progress != nil {
		c.progress(more)
	}
}

// count counts the words that begin in bytes off to end of r. A word that runs into
// them from before belongs to the piece before; one that runs out of them is
// followed to its end.
func (c *counter) count(ctx context.Context, r io.ReaderAt, off, end int64) (sum tally, err error) {
	at, have := max(off-1, 0), 0 // buf[:have] is what the file holds from byte at
	runsIn := off > 0
	for {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		room := c.buf[have : len(c.buf)-slack]
		n, err := r.ReadAt(room, at+int64(have))
		if err != nil && err != io.EOF {
			return sum, err
		}
		have += n
		text := c.buf[:have]
		if runsIn {
			runsIn = blankWord(text)
		}
		cut, done := cutWords(text, end-at, err == io.EOF)
		bytes := min(at+int64(cut), end) - max(at, off)
		c.note(&sum, tally{Bytes: max(bytes, 0), Words: c.scan(text[:cut])})
		if done {
			return sum, nil
		}
		have = copy(c.buf, text[cut:])
		at += int64(cut)
		if have == len(c.buf)-slack { // one word fills it
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
	}
}

// blankWord overwrites the word that text begins with, and reports whether it may
// go on behind the text.
func blankWord(text []byte) bool {
	for i, b := range text {
		if !isWord[b] {
			return false
		}
		text[i] = ' '
	}
	return true
}

// cutWords returns how much of text can be counted now: up to a place that is not
// within a word. It is done when nothing that begins before end is left.
func cutWords(text []byte, end int64, eof bool) (cut int, done bool) {
	if end <= int64(len(text)) {
		cut = int(end)
		for 0 < cut && cut < len(text) && isWord[text[cut-1]] && isWord[text[cut]] {
			cut++
		}
		if cut < len(text) {
			return cut, true
		}
	}
	cut = len(text)
	if eof {
		return cut, true
	}
	for cut > 0 && isWord[text[cut-1]] {
		cut--
	}
	return cut, end <= int64(cut)
}

// scan counts the words of text, behind which slack bytes must be readable.
func (c *counter) scan(text []byte) (words int64) {
	loadable := text[:len(text)+slack]
	for i := 0; i < len(text); i++ {
		if !isWord[text[i]] {
			continue
		}
		start := i
		for i < len(text) && isWord[text[i]] {
			i++
		}
		words++
		n := i - start
		if n > shortLen {
			c.table.addLong(text[start:i], 1)
			continue
		}
		lo, hi := load(loadable[start:])
		c.table.addShort(lo&masks[n].lo, hi&masks[n].hi, 1)
	}
	return words
}

// isWord tells which bytes words are made of: [A-Za-z0-9_].
var isWord = func() (is [256]bool) {
	for b := range is {
		is[b] = 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '_'
	}
	return is
}()

// masks[n] keeps the first n of 16 loaded bytes.
var masks = func() (m [shortLen + 1]struct{ lo, hi uint64 }) {
	for n := range m {
		m[n].lo = 1<<(8*min(n, 8)) - 1
		m[n].hi = 1<<(8*max(n-8, 0)) - 1
	}
	return m
}()
