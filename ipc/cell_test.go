package ipc

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Writers in three processes raise all words of a cell, while readers look: over
// memory that the race detector sees.
func TestCellIsReadAsOneOfWhatWasWritten(t *testing.T) {
	const size, rounds = 40, 300
	mem := alignTo(make([]byte, CellSize(size)+cellAlign), cellAlign)
	w := newWorld(t)
	var writers, readers sync.WaitGroup
	end := make(chan struct{})
	whole := func(b []byte) bool {
		words := slices.Collect(slices.Chunk(b, 8))
		return !slices.ContainsFunc(words, func(word []byte) bool { return string(word) != string(words[0]) })
	}
	for range 3 {
		cell := NewCell(w.mate(), mem, size)
		writers.Go(func() {
			buf := make([]byte, size)
			for range rounds {
				if err := cell.Replace(t.Context(), buf, func() error {
					for at := 0; at < size; at += 8 {
						binary.LittleEndian.PutUint64(buf[at:], binary.LittleEndian.Uint64(buf[at:])+1)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
		readers.Go(func() {
			buf := make([]byte, size)
			for {
				if cell.Load(buf); !whole(buf) {
					t.Errorf("a mix: %x", buf)
				}
				select {
				case <-end:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(end)
	readers.Wait()
	buf := make([]byte, size)
	NewCell(w.mate(), mem, size).Load(buf)
	require.True(t, whole(buf))
	require.EqualValues(t, 3*rounds, binary.LittleEndian.Uint64(buf))
}
