package wire

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// maxLevels is how deeply CBOR may be nested: the library's own limit.
const maxLevels = math.MaxUint16

// A cborCodec is the part of a Codec for types that are neither plain nor slices
// of plain elements.
type cborCodec struct {
	root *node
}

func newCBORCodec(t reflect.Type) (*cborCodec, error) {
	root, err := inspect(t)
	if err != nil {
		return nil, err
	}
	return &cborCodec{root: root}, nil
}

// encoder keeps all that a value is.
var encoder = sync.OnceValue(func() cbor.UserBufferEncMode {
	m, err := cbor.EncOptions{
		ShortestFloat: cbor.ShortestFloatNone,
		NaNConvert:    cbor.NaNConvertNone,
		InfConvert:    cbor.InfConvertNone,
		Time:          cbor.TimeRFC3339Nano,
		TextMarshaler: cbor.TextMarshalerTextString,
	}.UserBufferEncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return m
})

// A strictness is what a decoder accepts: what the encoder makes of a type, however
// long, and as little else as can be: no deeper nesting and no tags where the type
// has none.
type strictness struct {
	levels int
	tags   cbor.TagsMode
}

func strictnessOf(n *node) strictness {
	s := strictness{levels: min(max(n.levels, 4), maxLevels)} // 4 is the least the library takes
	if s.tags = cbor.TagsForbidden; n.tags {
		s.tags = cbor.TagsAllowed
	}
	return s
}

// decoders holds the decoders that were needed, by strictness: to make one takes a
// tenth of a millisecond, and programs register functions before they do anything.
var decoders sync.Map // strictness → cbor.DecMode

func (s strictness) decoder() (cbor.DecMode, error) {
	if found, ok := decoders.Load(s); ok {
		return found.(cbor.DecMode), nil
	}
	d, err := s.newDecoder()
	if err == nil {
		decoders.Store(s, d)
	}
	return d, err
}

func (s strictness) newDecoder() (cbor.DecMode, error) {
	return cbor.DecOptions{
		MaxNestedLevels:   s.levels,
		MaxArrayElements:  math.MaxInt32,
		MaxMapPairs:       math.MaxInt32,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            s.tags,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8DecodeInvalid, // Go strings may hold any bytes
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
	}.DecMode()
}

// append appends *p.
func (c *cborCodec) append(dst []byte, p any) ([]byte, error) {
	if c.root.look {
		if err := c.examine(reflect.ValueOf(p).Elem()); err != nil {
			return dst, err
		}
	}
	buf := bytes.NewBuffer(dst)
	if err := encoder().MarshalToBuffer(p, buf); err != nil {
		return dst, fmt.Errorf("wire: a %v: %w", c.root.typ, err)
	}
	return buf.Bytes(), nil
}

// decode sets *p, which must be zero.
func (c *cborCodec) decode(src []byte, p any) (err error) {
	defer func() {
		// A type's own UnmarshalCBOR may not be prepared for hostile bytes.
		if r := recover(); r != nil {
			err = malformed(c.root.typ, "decoding panicked: %v", r)
		}
	}()
	dec, err := strictnessOf(c.root).decoder()
	if err != nil {
		return fmt.Errorf("wire: a %v: %w", c.root.typ, err)
	}
	if err := dec.Unmarshal(src, p); err != nil {
		return fmt.Errorf("wire: %w: a %v: %w", ErrMalformed, c.root.typ, err)
	}
	return nil
}
