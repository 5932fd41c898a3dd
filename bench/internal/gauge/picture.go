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
func Read(message []byte) (sum uint64) {
	for ; len(message) >= 64; message = message[64:] {
		sum += ReadLine((*[64]byte)(message))
	}
	for ; len(message) >= 8; message = message[8:] {
		sum += binary.LittleEndian.Uint64(message)
	}
	return sum
}

// ReadLine is Read for a message of 64 bytes.
func ReadLine(m *[64]byte) uint64 {
	word := binary.LittleEndian
	return word.Uint64(m[0:]) + word.Uint64(m[8:]) + word.Uint64(m[16:]) + word.Uint64(m[24:]) +
		word.Uint64(m[32:]) + word.Uint64(m[40:]) + word.Uint64(m[48:]) + word.Uint64(m[56:])
}
