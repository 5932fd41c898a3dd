package main

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// A piece is a part of a file to count: the words that begin in bytes Off to End.
// Most files are one piece; a large one is cut, so that several workers can count
// it at once.
type piece struct {
	Path     string
	Off, End int64
}

const (
	// toEOF is the End of a file's last piece, which goes on for as long as there is
	// something to read: the file may have grown, and those of /proc say size 0.
	toEOF = 1<<63 - 1

	pieceSize = 4 << 20

	// A batch is what a worker is handed at a time: some milliseconds of work. The
	// first ones are smaller, so that all workers soon have one.
	batchSize  = 4 << 20
	firstBatch = 256 << 10
	// fileCost is what opening a file costs, in bytes that could be read meanwhile.
	fileCost = 4 << 10
)

// walk yields the pieces of every regular file at and below the paths, each with
// the number of bytes it seems to have. Like grep -r it follows a symbolic link only
// if it is one of the paths, and passes over devices, pipes and sockets. What cannot
// be read is told to complain, and the walk goes on.
func walk(paths []string, complain func(error)) iter.Seq2[piece, int64] {
	return func(yield func(piece, int64) bool) {
		w := walker{complain, yield}
		for _, path := range paths {
			if !w.path(path) {
				return
			}
		}
	}
}

// A walker is a walk under way. Its methods report whether to go on.
type walker struct {
	complain func(error)
	yield    func(piece, int64) bool
}

func (w walker) path(path string) bool {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		w.complain(err)
		return true
	case info.IsDir():
		return w.dir(path)
	case info.Mode().IsRegular():
		return w.file(path, info.Size())
	default:
		w.complain(fmt.Errorf("%s is not a regular file", path))
		return true
	}
}

func (w walker) dir(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.complain(err)
	}
	for _, e := range entries {
		if !w.entry(filepath.Join(dir, e.Name()), e) {
			return false
		}
	}
	return true
}

func (w walker) entry(path string, e fs.DirEntry) bool {
	switch {
	case e.IsDir():
		return w.dir(path)
	case !e.Type().IsRegular():
		return true
	}
	info, err := e.Info()
	if err != nil {
		w.complain(err)
		return true
	}
	return w.file(path, info.Size())
}

// file yields the pieces of one file.
func (w walker) file(path string, size int64) bool {
	off := int64(0)
	for ; size-off >= 2*pieceSize; off += pieceSize {
		if !w.yield(piece{path, off, off + pieceSize}, pieceSize) {
			return false
		}
	}
	return w.yield(piece{path, off, toEOF}, size-off)
}

// batches gathers pieces until they are worth a worker's while.
func batches(pieces iter.Seq2[piece, int64]) iter.Seq[[]piece] {
	return func(yield func([]piece) bool) {
		var batch []piece
		cost, enough := int64(0), int64(firstBatch)
		for p, size := range pieces {
			batch = append(batch, p)
			cost += size + fileCost
			if cost < enough {
				continue
			}
			if !yield(batch) {
				return
			}
			batch, cost, enough = nil, 0, min(2*enough, batchSize)
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}
