package wire

import (
	"bytes"
	"fmt"
	"math"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// maxLevels is how deeply CBOR may be nested: the library's own limit.
const maxLevels = math.MaxUint16

// A cborCodec is the part of a Codec for types that are neither plain nor slices
// of plain elements.
type cborCodec struct {
	root *node
	dec  cbor.DecMode
}

func newCBORCodec(t reflect.Type) (*cborCodec, error) {
	root, err := inspect(t)
	if err != nil {
		return nil, err
	}
	dec, err := decoderFor(root)
	if err != nil {
		return nil, err
	}
	return &cborCodec{root: root, dec: dec}, nil
}

// encoder keeps all that a value is.
var encoder = func() cbor.UserBufferEncMode {
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
}()

// decoderFor accepts what the encoder makes of the type, however long, and as
// little else as can be: no deeper nesting and no tags where the type has none.
func decoderFor(n *node) (cbor.DecMode, error) {
	tags := cbor.TagsForbidden
	if n.tags {
		tags = cbor.TagsAllowed
	}
	return cbor.DecOptions{
		MaxNestedLevels:   min(max(n.levels, 4), maxLevels), // 4 is the least the library takes
		MaxArrayElements:  math.MaxInt32,
		MaxMapPairs:       math.MaxInt32,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            tags,
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
	if err := encoder.MarshalToBuffer(p, buf); err != nil {
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
	if err := c.dec.Unmarshal(src, p); err != nil {
		return fmt.Errorf("wire: %w: a %v: %w", ErrMalformed, c.root.typ, err)
	}
	return nil
}
