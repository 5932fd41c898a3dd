package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// walked lists the files that a walk finds, and its complaints.
func walked(paths ...string) (files []string, complaints []string) {
	for p := range walk(paths, func(err error) { complaints = append(complaints, err.Error()) }) {
		files = append(files, p.Path)
	}
	return files, complaints
}

func TestWalkFindsRegularFilesAtEveryDepth(t *testing.T) {
	dir := t.TempDir()
	want := []string{
		writeFile(t, dir, ".hidden", "x"),
		writeFile(t, dir, "a/b/c/deep", "x"),
		writeFile(t, dir, "empty", ""),
		writeFile(t, dir, "odd \xff name\n", "x"),
	}
	files, complaints := walked(dir)
	require.Empty(t, complaints)
	require.Equal(t, want, files)
}

func TestWalkFollowsOnlyTheSymbolicLinksItIsGiven(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "real/file", "x")
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "toDir")))
	require.NoError(t, os.Symlink("real/file", filepath.Join(dir, "toFile")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))

	files, complaints := walked(dir)
	require.Empty(t, complaints)
	require.Equal(t, []string{filepath.Join(dir, "real/file")}, files)

	files, complaints = walked(filepath.Join(dir, "toDir"), filepath.Join(dir, "toFile"))
	require.Empty(t, complaints)
	require.Equal(t, []string{filepath.Join(dir, "toDir/file"), filepath.Join(dir, "toFile")}, files)
}

func TestWalkCountsAPathGivenTwiceTwice(t *testing.T) {
	path := writeFile(t, t.TempDir(), "file", "x")
	files, _ := walked(path, path)
	require.Equal(t, []string{path, path}, files)
}

func TestWalkPassesOverWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()

	files, complaints := walked(dir)
	require.Empty(t, files)
	require.Empty(t, complaints)

	_, complaints = walked(socket, os.DevNull)
	require.Equal(t, []string{socket + " is not a regular file", os.DevNull + " is not a regular file"}, complaints)
}

func TestWalkNamesWhatIsGoneAndGoesOn(t *testing.T) {
	path := writeFile(t, t.TempDir(), "file", "x")
	files, complaints := walked(path+"gone", path)
	require.Equal(t, []string{path}, files)
	require.Len(t, complaints, 1)
	require.Contains(t, complaints[0], path+"gone")
}

func TestWalkStopsWhenNobodyWantsMore(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a/1", "x")
	writeFile(t, dir, "b", "x")
	n := 0
	for range walk([]string{dir, dir}, func(err error) { t.Error(err) }) {
		n++
		break
	}
	require.Equal(t, 1, n)
}

func TestPiecesOfALargeFileCoverItWithoutGaps(t *testing.T) {
	path := writeFile(t, t.TempDir(), "large", "")
	for _, size := range []int64{0, 1, pieceSize, 2*pieceSize - 1, 2 * pieceSize, 10*pieceSize + 7} {
		require.NoError(t, os.Truncate(path, size))
		at := int64(0)
		for p, n := range walk([]string{path}, func(err error) { t.Error(err) }) {
			require.Equal(t, at, p.Off)
			require.NotEqual(t, int64(toEOF), at, "nothing comes after the last piece")
			require.Less(t, n, int64(2*pieceSize))
			at = p.End
		}
		require.Equal(t, int64(toEOF), at)
	}
}

func TestBatchesKeepTheOrderAndAreNotTooLarge(t *testing.T) {
	sizes := []int64{0, batchSize, 1, batchSize / 2, batchSize / 2, batchSize / 2, 5 * batchSize, 3}
	for range 3 * batchSize / fileCost {
		sizes = append(sizes, 0)
	}
	pieces := func(yield func(piece, int64) bool) {
		for i, size := range sizes {
			if !yield(piece{Off: int64(i)}, size) {
				return
			}
		}
	}
	i := 0
	for batch := range batches(pieces) {
		require.NotEmpty(t, batch)
		cost := int64(0)
		for _, p := range batch {
			require.Less(t, cost, int64(batchSize), "the batch was full before this piece")
			require.Equal(t, int64(i), p.Off)
			cost += sizes[i] + fileCost
			i++
		}
	}
	require.Equal(t, len(sizes), i)
	require.Empty(t, slices.Collect(batches(func(func(piece, int64) bool) {})))
}

func TestBatchesStopWhenNobodyWantsMore(t *testing.T) {
	pulled := 0
	pieces := func(yield func(piece, int64) bool) {
		for yield(piece{}, batchSize) {
			pulled++
		}
	}
	for range batches(pieces) {
		break
	}
	require.Zero(t, pulled)
}

func TestVerifyFindsEveryDifference(t *testing.T) {
	a, b := tableOf(t, "same same less onlyA"), tableOf(t, "same same less less onlyB")
	require.Empty(t, differences(a.packed(), a, 10))
	found := strings.Join(differences(a.packed(), b, 10), "\n")
	require.Contains(t, found, "less: 1 times, counted again 2 times")
	require.Contains(t, found, "onlyA: 1 times, counted again 0 times")
	require.Contains(t, found, "onlyB: 0 times, counted again 1 times")
	require.NotContains(t, found, "same")
	require.Len(t, differences(a.packed(), b, 2), 2)
}
