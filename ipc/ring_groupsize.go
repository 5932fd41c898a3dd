//go:build !explore

package ipc

// groupCells is groupSize. More than eight make little difference, and a batch has to
// be as long to be a group.
const groupCells = 8
