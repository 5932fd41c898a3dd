package ours

import (
	"bytes"
	"sync/atomic"

	"github.com/mpgo/mp/bench/internal/gauge"
)

// message is a message of 64 bytes, which has a fixed size. Others are slices.
type message [64]byte

func fixedMessage(int) message { return message{7} }

func readFixed(all []message) (sum uint64) {
	for i := range all {
		sum += gauge.ReadLine((*[64]byte)(&all[i]))
	}
	return sum
}

// bytesMessage is written to, as the limit's is: of memory that never was, the kernel has one page.
func bytesMessage(size int) []byte { return bytes.Repeat([]byte{3}, size) }

func readBytes(all [][]byte) (sum uint64) {
	for _, b := range all {
		sum += gauge.Read(b)
	}
	return sum
}

// sink has what was read, so that no compiler leaves the reading out.
var sink atomic.Uint64
