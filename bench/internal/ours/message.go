package ours

import "github.com/mpgo/mp/bench/internal/gauge"

// message is a message of 64 bytes, which has a fixed size. Others are slices.
type message [64]byte

func fixedMessage(int) message { return message{7} }
func readFixed(m *message)     { gauge.Read(m[:]) }

func bytesMessage(size int) []byte { return make([]byte, size) }
func readBytes(b *[]byte)          { gauge.Read(*b) }
