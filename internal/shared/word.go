//go:build !explore

// Package shared has the words that processes share. They are those of sync/atomic,
// nothing but other names for them: the name says what a word is for, and where the
// program is built with the tag explore, each access to a word asks the explorer
// first who is to run next (internal/explore).
package shared

import "sync/atomic"

type (
	// An Int64 is a signed word of 64 bits.
	Int64 = atomic.Int64
	// A Uint32 is a word of 32 bits. Processes can sleep on it.
	Uint32 = atomic.Uint32
	// A Uint64 is a word of 64 bits.
	Uint64 = atomic.Uint64
)
