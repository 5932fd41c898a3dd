package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type record struct {
	ID    uint64
	Kind  uint32
	Flags uint32
	Body  [48]byte
}

func TestRawFormsAppendWithoutAllocating(t *testing.T) {
	dst := make([]byte, 0, 1<<12)
	plain, slice, text, bytes := codec[record](t), codec[[]record](t), codec[string](t), codec[[]byte](t)
	records, body := make([]record, 8), make([]byte, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = plain.Append(dst, records[3])
		_, _ = slice.Append(dst, records)
		_, _ = text.Append(dst, "some text")
		_, _ = bytes.Append(dst, body)
	}))
}

func TestPlainValuesDecodeWithoutAllocating(t *testing.T) {
	c := codec[record](t)
	src := make([]byte, c.Fixed())
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = c.Decode(src) }))
}

func BenchmarkAppendPlain64(b *testing.B) {
	c, dst, v := codec[record](b), make([]byte, 0, 64), record{ID: 1}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Append(dst, v)
	}
}

func BenchmarkDecodePlain64(b *testing.B) {
	c, src := codec[record](b), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Decode(src)
	}
}

func BenchmarkAppendDocument(b *testing.B) {
	c, dst, v := codec[document](b), make([]byte, 0, 1024), document{Title: "t", Sizes: []uint64{1, 2, 3}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Append(dst, v)
	}
}

func BenchmarkDecodeBytes1M(b *testing.B) {
	c, src := codec[[]byte](b), append(make([]byte, 1<<20), 1)
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	for b.Loop() {
		_, _ = c.Decode(src)
	}
}
