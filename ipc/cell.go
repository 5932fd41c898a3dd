package ipc

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A Cell is a piece of memory of fixed size that is read and replaced as a
// whole, by any number of processes. It must not be copied.
//
// Replacing is all or nothing, also under a kill at any instruction: readers see
// the old bytes or the new ones, never a mix, and never wait for a writer.
//
// A Replace synchronizes before the Load that sees what it published.
//
// # Layout
//
//	0    version  counts replacements; its last bit says which copy is valid
//	8    lock     of writers, a MutexState
//	64   copy 0
//	…    copy 1   each padded to 64 bytes
//
// A writer holds the lock, fills the copy that is not valid, and publishes it by
// storing version+1. A reader takes the copy that version names and looks at
// version again: as long as it is the same, no writer has touched that copy,
// because writers only fill the other one.
//
// # A kill after each step
//
//	lock            the next writer takes the lock over: there is nothing to repair
//	while filling   the same; the half-filled copy is nobody's
//	version+1       the replacement is done; the lock is taken over
//	unlock          nothing; a missing wake-up is made up for by the death epoch
type Cell struct {
	version *shared.Uint64
	copies  [2][]shared.Uint64 // the shared words of each copy
	size    int
	lock    *Mutex
	edge    edge // from publish to Load
}

const cellCopies = 64

// CellSize is the memory of a Cell for n bytes.
func CellSize(n int) int { return cellCopies + 2*copySize(n) }

func copySize(n int) int { return (n + 63) &^ 63 }

// NewCell is a view of the Cell for n bytes in mem, which is zero at first.
func NewCell(d Domain, mem []byte, n int) *Cell {
	words := copySize(n) / 8
	return &Cell{
		version: shm.At[shared.Uint64](mem, 0),
		lock:    NewMutex(d, shm.At[MutexState](mem, 8), IgnoreOwnerDeath()),
		copies: [2][]shared.Uint64{
			shm.SliceAt[shared.Uint64](mem, cellCopies, words),
			shm.SliceAt[shared.Uint64](mem, cellCopies+copySize(n), words),
		},
		size: n,
	}
}

// Load copies the bytes to dst, which must have the cell's size. It does not
// wait for writers; it starts again when one finished meanwhile.
func (c *Cell) Load(dst []byte) {
	for {
		v := c.version.Load() // observes a writer's publish
		c.read(v, dst)
		if c.version.Load() == v {
			c.edge.acquire()
			return
		}
	}
}

// read copies the copy of version v out, by atomic loads: each stays before the
// next look at the version on every processor.
func (c *Cell) read(v uint64, dst []byte) {
	words := c.copies[v&1]
	for i := range len(dst) / 8 {
		binary.NativeEndian.PutUint64(dst[8*i:], words[i].Load())
	}
	if rest := len(dst) &^ 7; rest < len(dst) {
		var last [8]byte
		binary.NativeEndian.PutUint64(last[:], words[rest/8].Load())
		copy(dst[rest:], last[:])
	}
}

// Replace calls change with the cell's bytes in buf, which must have its size,
// and makes what change left there the new value, unless it returned an error.
// Writers wait for each other. If the process is killed at any point, the value
// is the old one or the new one.
func (c *Cell) Replace(ctx context.Context, buf []byte, change func() error) error {
	return c.lock.With(ctx, func() error {
		v := c.version.Load()
		c.read(v, buf)
		if err := change(); err != nil {
			return err
		}
		c.publish(v, buf)
		return nil
	})
}

// publish fills the copy that is not valid and makes it so. Only for the owner
// of the lock.
func (c *Cell) publish(v uint64, src []byte) {
	words := c.copies[(v+1)&1]
	for i := range len(src) / 8 {
		words[i].Store(binary.NativeEndian.Uint64(src[8*i:]))
	}
	if rest := len(src) &^ 7; rest < len(src) {
		var last [8]byte
		copy(last[:], src[rest:])
		words[rest/8].Store(binary.NativeEndian.Uint64(last[:]))
	}
	c.edge.release()
	c.version.Store(v + 1) // publishes the copy; observed in Load
}

// Close closes this process's view.
func (c *Cell) Close() error { return c.lock.Close() }

// String tells the size and who is writing.
func (c *Cell) String() string {
	return fmt.Sprintf("cell of %d bytes, version %d, %v", c.size, c.version.Load(), c.lock)
}
