//go:build explore

package ipc

// groupCells is groupSize: as few as possible, for there are many orders in which even
// two cells can be looked at.
const groupCells = 2
