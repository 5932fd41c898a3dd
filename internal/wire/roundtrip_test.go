package wire_test

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mpgo/mp/internal/wire"
)

type (
	// vector is plain, though nothing of it is exported.
	vector struct {
		x, y  float64
		valid bool
		tag   [3]byte
	}
	level int // plain, with a text form that nobody needs here

	base   struct{ ID, Rev int }
	Base   struct{ Code string }
	nested struct {
		base
		Base `cbor:"renamed"`
		Tags []string       `json:"tags,omitempty"`
		Num  int            `cbor:"7,keyasint"`
		Opt  *int           `json:"opt,omitempty"`
		When *time.Time     `json:"when,omitempty"`
		Grid [2][3]float32  `json:"grid"`
		Raw  [4]byte        `json:"raw"`
		Seen map[[2]int]int `json:"seen"`
		_    struct{}
	}
	listed struct {
		_ struct{} `cbor:",toarray"`
		A string
		B []int
	}
	point   struct{ X, Y int }
	generic struct {
		B bag[bag[[]point]]
		M map[point][]map[string]*point
	}
)

func (l level) MarshalText() ([]byte, error) { return []byte("level"), nil }

// exact lists values that must arrive as they left.
func TestEveryKindOfValueArrives(t *testing.T) {
	arrives(t, true)
	arrives[int8](t, math.MinInt8)
	arrives[int64](t, math.MinInt64)
	arrives[uint64](t, math.MaxUint64)
	arrives(t, math.Inf(-1))
	arrives(t, complex(1, -2))
	arrives(t, struct{}{})
	arrives(t, vector{1, 2, true, [3]byte{1, 2, 3}})
	arrives(t, level(3))
	arrives(t, "")
	arrives(t, "caf\xe9 \x00 \xff: no UTF-8")
	arrives(t, []byte(nil))
	arrives(t, []byte{})
	arrives(t, []byte{1})
	arrives(t, []byte{1, 0})
	arrives(t, []vector(nil))
	arrives(t, []vector{})
	arrives(t, []vector{{x: 1}, {valid: true}})
	arrives(t, []level{1, 2})
	arrives(t, []complex64{1i})
	arrives(t, []struct{}(nil))
	arrives(t, make([]struct{}, 0))
	arrives(t, make([]struct{}, 5))
	arrives(t, [][]int{nil, {}, {1, 2}})
	arrives(t, [][]byte{nil, {}, {1, 2}})
	arrives(t, []string{"", "\xff"})
	arrives(t, map[string]int(nil))
	arrives(t, map[string]int{})
	arrives(t, map[string]int{"a\xff": 1})
	arrives(t, map[uint64]int64{math.MaxUint64: math.MinInt64})
	arrives(t, map[point]string{{1, 2}: "a", {2, 1}: "b"})
	arrives(t, map[[2]byte]map[float64][]byte{{1, 2}: {0.5: nil, 1: {}}})
	arrives(t, map[bool][]int8{true: {1}, false: nil})
	arrives[*int](t, nil)
	arrives(t, new(7))
	arrives(t, []*string{nil, new(""), new("x")})
	arrives(t, new(new(7)))
	arrives(t, new([]int{}))
	arrives(t, [2][]string{{"a"}, nil})
	arrives(t, bag[[]bool]{Inside: []bool{true, false}})
	arrives(t, bag[[2]int8]{Label: "l", Inside: [2]int8{1, 2}})
	arrives(t, &tree{Name: "root", Kids: []*tree{{Name: "a"}, nil, {Kids: []*tree{}}}})
	arrives(t, generic{
		B: bag[bag[[]point]]{Inside: bag[[]point]{Inside: []point{{1, 2}}}},
		M: map[point][]map[string]*point{{3, 4}: {{"p": {5, 6}, "nil": nil}, nil}},
	})
	arrives(t, nested{})
	arrives(t, nested{
		base: base{ID: 1, Rev: -1}, Base: Base{Code: "c"}, Tags: []string{"t"}, Num: 9, Opt: new(0),
		Grid: [2][3]float32{{1}, {0, 2}}, Raw: [4]byte{1, 0, 0, 4}, Seen: map[[2]int]int{{1, 2}: 3},
	})
	arrives(t, listed{A: "x", B: []int{}})
}

func TestTypesThatMarshalThemselvesArrive(t *testing.T) {
	arrives(t, netip.MustParseAddrPort("[fe80::1%eth0]:80"))
	arrives(t, map[netip.Addr]netip.Prefix{netip.MustParseAddr("::1"): netip.MustParsePrefix("10.0.0.0/8")})
	arrives(t, bag[net.IP]{Inside: net.ParseIP("192.0.2.1")})
	arrives(t, &url.URL{Scheme: "https", Host: "example.org", Path: "/x"})
	arrives(t, []*url.URL{nil})
	require.Equal(t, "a+b?", travel(t, regexp.MustCompile("a+b?")).String())
	require.Equal(t, "-1/3", travel(t, big.NewRat(1, -3)).String())
	for _, text := range []string{"0", "-1", "18446744073709551615", "18446744073709551616", "-18446744073709551617", "-" + strings.Repeat("9", 200)} {
		n, ok := new(big.Int).SetString(text, 10)
		require.True(t, ok)
		require.Equal(t, text, travel(t, n).String())
		require.Equal(t, text, travel(t, bag[[]*big.Int]{Inside: []*big.Int{nil, n}}).Inside[1].String())
	}
	arrives(t, bag[big.Int]{Inside: *big.NewInt(-5)})
}

// labelled and pointed embed a type with methods of the same name as their own.
type (
	labelled[T any] struct {
		time.Time
		Label T
	}
	pointed struct {
		time.Time
		Label string
	}
)

func (l labelled[T]) MarshalBinary() ([]byte, error) { return fmt.Append(nil, l.Label), nil }

func (l *labelled[T]) UnmarshalBinary(b []byte) error {
	_, err := fmt.Sscan(string(b), &l.Label)
	return err
}

func (p *pointed) MarshalBinary() ([]byte, error) { return []byte(p.Label), nil }
func (p *pointed) UnmarshalBinary(b []byte) error { p.Label = string(b); return nil }

func TestOwnMarshalersWinOverEmbeddedOnes(t *testing.T) {
	arrives(t, labelled[int]{Label: 7})
	arrives(t, &labelled[string]{Label: "seven"})
	arrives(t, pointed{Label: "seven"})
	arrives(t, []*pointed{{Label: "seven"}, nil})
	arrives(t, struct{ netip.Addr }{netip.MustParseAddr("::1")})
}

func TestTimesKeepInstantAndOffset(t *testing.T) {
	for _, in := range []time.Time{
		{},
		time.Unix(0, 1).UTC(),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.FixedZone("odd", -(9*3600+30*60))),
		time.Date(2024, 2, 29, 12, 0, 0, 0, time.FixedZone("far", 23*3600+59*60)),
	} {
		out := travel(t, bag[[]time.Time]{Inside: []time.Time{in}}).Inside[0]
		require.True(t, in.Equal(out), "%v became %v", in, out)
		_, want := in.Zone()
		_, got := out.Zone()
		require.Equal(t, want, got)
	}
	arrives(t, time.Unix(5, 0).UTC())
}

func TestTimesLoseTheMonotonicClock(t *testing.T) {
	now := time.Now()
	out := travel(t, now)
	require.True(t, now.Equal(out))
	require.Equal(t, now.Round(0).String(), out.String())
}

func TestFloatsKeepTheirBits(t *testing.T) {
	for _, bits := range []uint64{0, 1 << 63, 0x7ff8000000000001, 0xfff8dead0000beef, 0x7ff0000000000000, 0x7ff0000000000001, 1} {
		in := math.Float64frombits(bits)
		require.Equal(t, bits, math.Float64bits(travel(t, in)))
		require.Equal(t, bits, math.Float64bits(travel(t, bag[float64]{Inside: in}).Inside))
	}
	for _, bits := range []uint32{0, 1 << 31, 0x7fc00001, 0xffc0beef, 0x7f800000, 1} {
		in := math.Float32frombits(bits)
		require.Equal(t, bits, math.Float32bits(travel(t, bag[[]float32]{Inside: []float32{in}}).Inside[0]))
	}
}

func TestSignallingNaNs(t *testing.T) {
	in := []float32{math.Float32frombits(0x7f800001)}
	require.Equal(t, uint32(0x7f800001), math.Float32bits(travel(t, in)[0]), "raw memory keeps them")
	quiet := travel(t, bag[[]float32]{Inside: in}).Inside[0]
	require.Equal(t, uint32(0x7fc00001), math.Float32bits(quiet), "CBOR makes them quiet")
}

func TestOmitEmptyMakesEmptyNil(t *testing.T) {
	require.Nil(t, travel(t, nested{Tags: []string{}}).Tags)
}

func TestSharedPointersArriveApart(t *testing.T) {
	p := new("same")
	out := travel(t, []*string{p, p})
	require.Equal(t, *out[0], *out[1])
	require.NotSame(t, out[0], out[1])
}

func TestMoreElementsThanTheLibraryTakesByDefault(t *testing.T) {
	arrives(t, make([]string, 200_000))
	m := make(map[int]string)
	for i := range 140_000 {
		m[i] = ""
	}
	arrives(t, m)
}

func TestDeepNestingArrivesUpToTheLimit(t *testing.T) {
	type chain struct {
		Next *chain
		Name string
	}
	links := func(n int) *chain {
		var c *chain
		for range n {
			c = &chain{Next: c}
		}
		return c
	}
	length := func(c *chain) (n int) {
		for ; c != nil; c = c.Next {
			n++
		}
		return n
	}
	require.Equal(t, 65535, length(travel(t, links(65535))))
	require.ErrorIs(t, appending(t, links(65536)), wire.ErrUnencodable)
}

type crate[T any] []map[string]T

func pack[T any](v T) crate[T] { return crate[T]{{"": v}} }

func TestTypesNestedMoreDeeplyThanTheLibraryTakesByDefault(t *testing.T) {
	five := pack(pack(pack(pack(pack([]string{"deep"})))))
	arrives(t, pack(pack(pack(pack(pack(pack(pack(pack(pack(pack(pack(pack(pack(five))))))))))))))
}

func TestWhatIsDecodedIsAPrivateCopy(t *testing.T) {
	for _, check := range []func(t *testing.T){
		private(t, []byte("body")), private(t, []uint32{1, 2}), private(t, "text"), private(t, bag[[]byte]{Inside: []byte("inside")}),
		private(t, []string{"a", "b"}), private(t, vector{x: 1}),
	} {
		check(t)
	}
}

func private[T any](t *testing.T, in T) func(*testing.T) {
	c := codec[T](t)
	return func(t *testing.T) {
		b, err := c.Append(nil, in)
		require.NoError(t, err)
		out, err := c.Decode(b)
		require.NoError(t, err)
		clear(b)
		require.Equal(t, in, out)
	}
}

func TestAppendAppends(t *testing.T) {
	appends(t, vector{x: 1})
	appends(t, "text")
	appends(t, []int16{1, 2, 3})
	appends(t, []int16(nil))
	appends(t, []string{"a", "b"})
}

func appends[T any](t *testing.T, v T) {
	t.Helper()
	alone, err := codec[T](t).Append(nil, v)
	require.NoError(t, err)
	for _, room := range []int{0, 1, 1000} {
		dst := append(make([]byte, 0, 3+room), "abc"...)
		b, err := codec[T](t).Append(dst, v)
		require.NoError(t, err)
		require.Equal(t, "abc"+string(alone), string(b))
	}
}

func TestFixedIsTheLengthOfPlainValues(t *testing.T) {
	require.Equal(t, 8, codec[int64](t).Fixed())
	require.Equal(t, 0, codec[struct{}](t).Fixed())
	require.Equal(t, int(reflect.TypeFor[vector]().Size()), codec[vector](t).Fixed())
	require.Equal(t, -1, codec[string](t).Fixed())
	require.Equal(t, -1, codec[[]int64](t).Fixed())
	require.Equal(t, -1, codec[bag[string]](t).Fixed())
}

// A document has something of everything.
type document struct {
	Title  string
	Pages  [][]byte
	Flags  map[string]bool
	Sizes  []uint64
	Delta  int64
	Ratio  float64
	Author *base
	Parts  []document
	Spots  map[point]int8
	At     time.Time
	Host   netip.Addr
}

func drawDocument(t *rapid.T, depth int) document {
	d := document{
		Title: string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "title")),
		Pages: maybeNil(t, rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 5), 0, 4)),
		Flags: rapid.MapOfN(rapid.StringN(0, 4, 8), rapid.Bool(), 0, 4).Draw(t, "flags"),
		Sizes: maybeNil(t, rapid.SliceOfN(rapid.Uint64(), 0, 4)),
		Delta: rapid.Int64().Draw(t, "delta"),
		Ratio: rapid.Float64().Draw(t, "ratio"),
		Spots: rapid.MapOfN(rapid.Custom(func(t *rapid.T) point {
			return point{rapid.Int().Draw(t, "x"), rapid.Int().Draw(t, "y")}
		}), rapid.Int8(), 0, 4).Draw(t, "spots"),
		At:   time.Unix(rapid.Int64Range(-1<<35, 1<<37).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds")).UTC(),
		Host: netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "host"))),
	}
	if rapid.Bool().Draw(t, "has author") {
		d.Author = &base{rapid.Int().Draw(t, "id"), rapid.Int().Draw(t, "rev")}
	}
	for range rapid.IntRange(0, depth).Draw(t, "parts") {
		d.Parts = append(d.Parts, drawDocument(t, depth-1))
	}
	return d
}

func maybeNil[T any](t *rapid.T, g *rapid.Generator[[]T]) []T {
	return rapid.OneOf(g, rapid.Just([]T(nil))).Draw(t, "slice")
}

func TestAnyDocumentArrives(t *testing.T) {
	c := codec[document](t)
	rapid.Check(t, func(rt *rapid.T) {
		in := drawDocument(rt, 2)
		b, err := c.Append(nil, in)
		require.NoError(rt, err)
		out, err := c.Decode(b)
		require.NoError(rt, err)
		require.Equal(rt, in, out)
	})
}

func TestAnySliceOfPlainElementsArrives(t *testing.T) {
	c := codec[[]vector](t)
	draw := rapid.SliceOf(rapid.Custom(func(t *rapid.T) vector {
		return vector{rapid.Float64().Draw(t, "x"), rapid.Float64().Draw(t, "y"), rapid.Bool().Draw(t, "valid"), [3]byte{}}
	}))
	rapid.Check(t, func(rt *rapid.T) {
		in := maybeNil(rt, draw)
		b, err := c.Append(nil, in)
		require.NoError(rt, err)
		out, err := c.Decode(b)
		require.NoError(rt, err)
		require.Equal(rt, in, out)
	})
}

// What is decoded into a slice with room lies there, and is what Decode makes.
func TestSlicesAreDecodedInto(t *testing.T) {
	decodedInto(t, [][]int32{{1, 2, 3}, {4, 5}, {}, nil, {6}, {7, 8, 9, 10}, {11, 12, 13, 14}}, true)
	decodedInto(t, [][]byte{[]byte("three"), []byte("two"), {}, nil, []byte("one")}, true)
	decodedInto(t, [][]bool{{true, false}, {true}}, true)
	decodedInto(t, [][]string{{"a", "b"}, {"c"}}, false)
	decodedInto(t, []string{"a", "bc", ""}, false)
	decodedInto(t, []vector{{x: 1, valid: true}, {y: 2}}, false)
	decodedInto(t, []int64{1, 2}, false)
	decodedInto(t, []map[string]int{{"a": 1}, {"b": 2}}, false) // not what was there as well
}

func decodedInto[T any](t *testing.T, ins []T, stay bool) {
	t.Helper()
	c := codec[T](t)
	var v T
	for _, in := range ins {
		b, err := c.Append(nil, in)
		require.NoError(t, err)
		before := reflect.ValueOf(v)
		require.NoError(t, c.DecodeInto(b, &v))
		clear(b)
		require.Equal(t, in, v)
		if now := reflect.ValueOf(v); stay && now.Len() > 0 && now.Len() <= before.Cap() {
			require.Equal(t, before.Pointer(), now.Pointer(), "the memory that it had")
			require.Equal(t, before.Cap(), now.Cap())
		}
	}
}

// Bytes that are no slice leave the one that is there as it was.
func TestADecodingErrorLeavesWhatWasThere(t *testing.T) {
	for _, b := range [][]byte{{2}, {1, 2, 3, 4, 5}, {1, 2, 1}} {
		v := []int32{7, 8, 9}
		require.ErrorIs(t, codec[[]int32](t).DecodeInto(b, &v), wire.ErrMalformed)
		require.Equal(t, []int32{7, 8, 9}, v)
	}
	bools := []bool{true, true}
	require.ErrorIs(t, codec[[]bool](t).DecodeInto([]byte{0, 2, 1}, &bools), wire.ErrMalformed)
	require.Equal(t, []bool{true, true}, bools)
	n := int64(7)
	require.ErrorIs(t, codec[int64](t).DecodeInto([]byte{1}, &n), wire.ErrMalformed)
	require.EqualValues(t, 7, n)
}

func TestByteSlicesEndWithOneMoreByte(t *testing.T) {
	c := codec[[]byte](t)
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")
		b, err := c.Append(nil, in)
		require.NoError(rt, err)
		require.Equal(rt, append(bytes.Clone(in), 1), b)
	})
}

func arrives[T any](t *testing.T, in T) {
	t.Helper()
	require.Equal(t, in, travel(t, in))
}
