package mp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkMutexUncontended(b *testing.B) {
	m, err := NewMutex()
	require.NoError(b, err)
	ctx := b.Context()
	for b.Loop() {
		if err := m.Lock(ctx); err != nil {
			b.Fatal(err)
		}
		if err := m.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, m.Free())
}

func BenchmarkNewMutex(b *testing.B) {
	before := MemoryStats()
	for b.Loop() {
		m, err := NewMutex()
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Free(); err != nil {
			b.Fatal(err)
		}
	}
	require.LessOrEqual(b, MemoryStats().Blocks, before.Blocks)
}
