package gauge

import (
	"encoding/binary"
	"time"

	"github.com/mpgo/mp/bench/internal/cpu"
)

// Fill makes a picture: every byte is set, and then the first eight to the time.
func Fill(picture []byte, shade byte) {
	for i := range picture {
		picture[i] = shade
	}
	binary.LittleEndian.PutUint64(picture, uint64(cpu.Now()))
}

// SinceFilled is how long ago the picture was filled, by whatever process.
func SinceFilled(picture []byte) time.Duration {
	return time.Duration(cpu.Now() - int64(binary.LittleEndian.Uint64(picture)))
}

// Read looks at all of a message, as its reader would.
func Read(message []byte) uint64 {
	var a, b, c, d uint64
	for ; len(message) >= 32; message = message[32:] {
		a += binary.LittleEndian.Uint64(message)
		b += binary.LittleEndian.Uint64(message[8:])
		c += binary.LittleEndian.Uint64(message[16:])
		d += binary.LittleEndian.Uint64(message[24:])
	}
	for ; len(message) >= 8; message = message[8:] {
		a += binary.LittleEndian.Uint64(message)
	}
	return a + b + c + d
}
