package connection

import (
	"fmt"

	"github.com/mpgo/mp/internal/wire"
)

// A payload is how values of T are bytes: []byte and string as they are, all else CBOR.
type payload[T any] struct {
	cbor *wire.Codec[T] // nil if T is as it is
}

func newPayload[T any]() (payload[T], error) {
	var v T
	switch any(v).(type) {
	case []byte, string:
		return payload[T]{}, nil
	}
	codec, err := wire.Portable[T]("message")
	return payload[T]{codec}, err
}

// encode returns v's bytes, which may be v itself.
func (p payload[T]) encode(v T) ([]byte, error) {
	if p.cbor != nil {
		return p.cbor.Append(nil, v)
	}
	switch v := any(v).(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	panic(fmt.Sprintf("connection: %T is not bytes", v))
}

// decode returns what b encodes, which may be b itself.
func (p payload[T]) decode(b []byte) (v T, err error) {
	if p.cbor != nil {
		return p.cbor.Decode(b)
	}
	switch to := any(&v).(type) {
	case *[]byte:
		*to = b
	case *string:
		*to = string(b)
	}
	return v, nil
}
