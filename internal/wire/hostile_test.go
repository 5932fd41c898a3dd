package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/wire"
)

func TestPlainValuesHaveOneLength(t *testing.T) {
	malformed[uint32](t, nil, []byte{1, 2, 3}, []byte{1, 2, 3, 4, 5})
	malformed[struct{}](t, []byte{0})
}

func TestSlicesHaveWholeElementsAndAnEnd(t *testing.T) {
	malformed[[]uint32](t, []byte{0}, []byte{2}, []byte{0, 0, 0, 0}, []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 1}, []byte{1, 1, 1, 1, 1, 0})
	malformed[[]byte](t, []byte{0}, []byte("text"))
}

func TestABoolIsTrueOrFalse(t *testing.T) {
	malformed[bool](t, []byte{2}, []byte{255})
	malformed[[]bool](t, []byte{0, 2, 1}, []byte{2, 1})
	malformed[[2][2]bool](t, []byte{0, 1, 0, 128})
	type flags struct {
		N  uint16
		On [3]struct{ A, B bool }
	}
	malformed[flags](t, []byte{255, 255, 1, 1, 1, 1, 1, 3})
	malformed[[]flags](t, []byte{0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 9, 1, 0, 1})
	v, err := codec[flags](t).Decode([]byte{255, 255, 1, 0, 1, 1, 0, 1})
	require.NoError(t, err)
	require.True(t, v.On[2].B)
}

func TestBytesThatAreNoSuchCBOR(t *testing.T) {
	deep := bytes.Repeat([]byte{0x81}, 70_000)
	malformed[document](t,
		nil,
		[]byte{0xff},
		[]byte{0xa0, 0xa0},             // two items
		[]byte{0xbf, 0xff},             // no length
		[]byte{0xd9, 0xd9, 0xf7, 0xa0}, // a tag
		[]byte{0x80},                   // an array
		[]byte{0xa1, 0x61, 'x', 0x00},  // no such field
		[]byte{0xa1, 0x65, 't', 'i', 't', 'l', 'e'}, // another case, and no value
		[]byte{0xa1, 0x65, 'D', 'e', 'l', 't', 'a', 0x1b, 255, 255, 255, 255, 255, 255, 255, 255},
		[]byte{0xa1, 0x65, 'P', 'a', 'g', 'e', 's', 0x9b, 0x7f, 255, 255, 255, 255, 255, 255, 255},
		[]byte{0xa1, 0x65, 'P', 'a', 'g', 'e', 's', 0x81, 0x5b, 0x7f, 255, 255, 255, 255, 255, 255, 255},
		[]byte{0xa1, 0x65, 'F', 'l', 'a', 'g', 's', 0xbb, 255, 255, 255, 255, 255, 255, 255, 255},
		append(deep, 0x80),
		deep,
	)
	malformed[*big.Int](t, []byte{0x81, 0xc2, 0x41, 1})
	malformed[*object](t, []byte{0x41, 0}, []byte{0x00}, []byte{0xa0})
}

func malformed[T any](t *testing.T, inputs ...[]byte) {
	t.Helper()
	for _, b := range inputs {
		v, err := codec[T](t).Decode(b)
		require.ErrorIs(t, err, wire.ErrMalformed, "%x", b[:min(len(b), 32)])
		require.Zero(t, v)
		require.ErrorIs(t, codec[T](t).DecodeInto(b, &v), wire.ErrMalformed)
		require.Zero(t, v)
	}
}

func TestErrorsOfUnmarshalersComeThrough(t *testing.T) {
	_, err := codec[bag[*closing]](t).Decode([]byte{0xa1, 0x66, 'I', 'n', 's', 'i', 'd', 'e', 0x40})
	require.ErrorIs(t, err, errClosing)
}

var errClosing = errors.New("closing")

type closing struct{ Name string }

func (closing) MarshalBinary() ([]byte, error)  { return nil, nil }
func (*closing) UnmarshalBinary(b []byte) error { return errClosing }

// nest can be nested as deeply as there are bytes.
type nest []nest

func TestHostileBytesCostMemoryInProportion(t *testing.T) {
	lengths := []byte{0xa1, 0x65, 'S', 'i', 'z', 'e', 's', 0x9a, 0x7f, 0xff, 0xff, 0xff}
	for name, c := range map[string]struct {
		decode func([]byte) error
		in     []byte
		most   int // bytes allocated for each byte of in
	}{
		"announced length":   {decoding[document](t), lengths, 1000},
		"deepest nesting":    {decoding[nest](t), append(bytes.Repeat([]byte{0x81}, 65_534), 0x80), 200},
		"nulls":              {decoding[[]document](t), append([]byte{0x9a, 0, 1, 0, 0}, bytes.Repeat([]byte{0xf6}, 65536)...), 1000},
		"empty maps":         {decoding[[]map[string]string](t), append([]byte{0x9a, 0, 1, 0, 0}, bytes.Repeat([]byte{0xa0}, 65536)...), 200},
		"large number":       {decoding[[]*big.Int](t), append([]byte{0x81, 0xc2, 0x5a, 0, 1, 0, 0}, bytes.Repeat([]byte{0xff}, 65536)...), 100},
		"raw without length": {decoding[[]uint64](t), bytes.Repeat([]byte{1}, 65537), 20},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = c.decode(c.in)
			runtime.ReadMemStats(&after)
			used := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes for %d; stack %d → %d", used, len(c.in), before.StackSys, after.StackSys)
			require.LessOrEqual(t, used, uint64(c.most*len(c.in)))
		})
	}
}

func decoding[T any](t *testing.T) func([]byte) error {
	c := codec[T](t)
	return func(b []byte) error {
		_, err := c.Decode(b)
		return err
	}
}

// roundTrips reports a value that was decoded and does not arrive again.
func roundTrips[T any](t *testing.T, c *wire.Codec[T], b []byte) {
	v, err := c.Decode(b)
	if err != nil {
		require.ErrorIs(t, err, wire.ErrMalformed)
		return
	}
	_ = c.AppendHandles(nil, v)
	again, err := c.Append(nil, v)
	if errors.Is(err, wire.ErrUnencodable) {
		return // bytes may say what no value is written as, such as the year 10000
	}
	require.NoError(t, err)
	w, err := c.Decode(again)
	require.NoError(t, err)
	third, err := c.Append(nil, w)
	require.NoError(t, err)
	require.Len(t, third, len(again)) // maps have no order
}

func FuzzDecodePlain(f *testing.F) {
	f.Add(make([]byte, 24))
	c := codec[vector](f)
	f.Fuzz(func(t *testing.T, b []byte) { roundTrips(t, c, b) })
}

func FuzzDecodeSlice(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add(append(make([]byte, 48), 1))
	f.Add(append(bytes.Repeat([]byte{1}, 24), 1))
	c := codec[[]vector](f)
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrips(t, c, b)
		liesThere(t, c, b)
	})
}

// liesThere reports where a slice that is viewed in its bytes is not what would be
// decoded from them, or where one that is laid out has another length.
func liesThere(t *testing.T, c *wire.Codec[[]vector], b []byte) {
	decoded, err := c.Decode(b)
	seen, seenErr := c.Alias(bytes.Clone(b)) // Go's memory is aligned for anything
	require.Equal(t, err, seenErr)
	require.Equal(t, fmt.Sprint(decoded), fmt.Sprint(seen)) // a NaN is not equal to itself
	n := len(b) / c.Size(1)
	_, err = c.Lay(b, n)
	require.Equal(t, len(b) == c.Size(n), err == nil)
	if err == nil {
		laid, err := c.Decode(b)
		require.NoError(t, err)
		require.Len(t, laid, n)
		require.Equal(t, len(b), c.Length(&laid))
	}
}

func FuzzDecodeStrings(f *testing.F) {
	f.Add([]byte("caf\xe9"))
	f.Add([]byte{0x01, 0x00, 0x01})
	text, flags := codec[string](f), codec[[]bool](f)
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrips(t, text, b)
		roundTrips(t, flags, b)
	})
}

// Types that marshal themselves.
type own struct {
	Large *big.Int
	Ratio *big.Rat
	When  []time.Time
	Where *url.URL
	Host  net.IP
	Nets  map[netip.Addr]netip.Prefix
}

func FuzzDecodeMarshalers(f *testing.F) {
	c := codec[own](f)
	for _, v := range []own{{}, {
		Large: new(big.Int).Lsh(big.NewInt(-3), 70), Ratio: big.NewRat(1, -3), When: []time.Time{{}, time.Unix(5, 6)},
		Where: &url.URL{Scheme: "https", Host: "example.org"}, Host: net.IPv6loopback,
		Nets: map[netip.Addr]netip.Prefix{netip.IPv6Unspecified(): netip.MustParsePrefix("10.0.0.0/8")},
	}} {
		b, err := c.Append(nil, v)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := c.Decode(b); err == nil {
			_, _ = c.Append(nil, v)
		}
	})
}

func FuzzDecodeDocument(f *testing.F) {
	c := codec[document](f)
	full := document{
		Title: "t", Pages: [][]byte{nil, {}, {1}}, Flags: map[string]bool{"f": true}, Sizes: []uint64{math.MaxUint64},
		Delta: -1, Ratio: math.NaN(), Author: &base{1, 2}, Parts: []document{{}}, Spots: map[point]int8{{1, 2}: 3},
	}
	for _, d := range []document{{}, full} {
		b, err := c.Append(nil, d)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { roundTrips(t, c, b) })
}

func FuzzDecodeHandles(f *testing.F) {
	c := codec[household](f)
	b, err := c.Append(nil, fullHouse())
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := c.Decode(b); err == nil {
			_ = c.AppendHandles(nil, v)
		}
	})
}

func FuzzDecodeNested(f *testing.F) {
	c := codec[map[string][]nest](f)
	f.Add([]byte{0xa1, 0x61, 'a', 0x82, 0x81, 0x80, 0xf6})
	f.Fuzz(func(t *testing.T, b []byte) { roundTrips(t, c, b) })
}
