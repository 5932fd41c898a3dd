package wire

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"

	"github.com/mpgo/mp/shm"
)

// A Handle is a Go value that stands for an object in shared memory, such as a
// *mp.Mutex. In messages it is the object's name; whoever sends it sees to it that
// the object stays until the message has arrived. Handles are pointers that
// marshal themselves to CBOR and back; nil ones arrive as nil. The CBOR library
// calls MarshalCBOR on a copy of what they point to, made without a lock, so
// whatever changes has to lie behind another pointer.
type Handle interface {
	// WireRef is the object's name, or why the handle has none.
	WireRef() (shm.Ref, error)
}

// A Codec encodes and decodes values of T. It has no state and may be used by many
// goroutines at once.
type Codec[T any] struct {
	form  form
	typ   reflect.Type
	size  int       // bytes of a T, or of an element of a T
	bools boolCheck // of what size covers
	cbor  *cborCodec
	parts *partsCodec
}

// A form is how values of a type look as bytes; see the package comment.
type form uint8

const (
	formPlain form = iota
	formString
	formSlice
	formParts
	formCBOR
)

// cache holds, by type, what For found: a *Codec[T] or an error.
var cache sync.Map

// For returns the codec of T, or an error that says what in T would be lost and
// begins with what T is for. It looks at a type once.
func For[T any](what string) (*Codec[T], error) {
	t := reflect.TypeFor[T]()
	found, ok := cache.Load(t)
	if !ok {
		found, _ = cache.LoadOrStore(t, build[T](t))
	}
	if err, failed := found.(error); failed {
		return nil, fmt.Errorf("%s of type %v: %w", what, t, err)
	}
	return found.(*Codec[T]), nil
}

// Portable is For, for programs that share neither T's layout in memory nor anything else:
// every T but those whose handles would mean nothing there, which are an error, is one CBOR
// data item.
func Portable[T any](what string) (*Codec[T], error) {
	t := reflect.TypeFor[T]()
	c, err := newCBORCodec(t)
	if err == nil && c.root.handles {
		err = fmt.Errorf("it has handles of shared objects, which mean nothing to another program: %w", ErrUnencodable)
	}
	if err != nil {
		return nil, fmt.Errorf("%s of type %v: %w", what, t, err)
	}
	return &Codec[T]{form: formCBOR, typ: t, cbor: c}, nil
}

// build returns a *Codec[T] or an error.
func build[T any](t reflect.Type) any {
	switch {
	case shm.CheckPlain(t) == nil:
		return &Codec[T]{form: formPlain, typ: t, size: int(t.Size()), bools: boolsOf(t)}
	case t.Kind() == reflect.String:
		return &Codec[T]{form: formString, typ: t}
	case t.Kind() == reflect.Slice && t.Elem().Size() > 0 && shm.CheckPlain(t.Elem()) == nil:
		return &Codec[T]{form: formSlice, typ: t, size: int(t.Elem().Size()), bools: boolsOf(t.Elem())}
	}
	c, err := newCBORCodec(t)
	if err != nil {
		return err
	}
	if parts := newPartsCodec(t); parts != nil {
		return &Codec[T]{form: formParts, typ: t, parts: parts}
	}
	return &Codec[T]{form: formCBOR, typ: t, cbor: c}
}

// Fixed is the length of every encoded T, or -1 if it differs from value to value.
func (c *Codec[T]) Fixed() int {
	if c.form == formPlain {
		return c.size
	}
	return -1
}

// AnyBytes reports whether the memory of a T is how it is encoded, and any bytes of
// that length are a T.
func (c *Codec[T]) AnyBytes() bool { return c.form == formPlain && c.bools == nil }

// Stride is how far apart the encodings of values are that AppendAll appends: the size
// of a T if AnyBytes is true, else -1.
func (c *Codec[T]) Stride() int {
	if !c.AnyBytes() {
		return -1
	}
	return c.size
}

// AppendAll appends what Append does for one after the other of vs, all at once. Only
// if Stride is not negative.
func (c *Codec[T]) AppendAll(dst []byte, vs []T) []byte {
	return appendMessage(dst, shm.Raw(vs))
}

// DecodeAll fills vs with as many values, of Stride bytes each, that src consists of.
// Only if Stride is not negative.
func (c *Codec[T]) DecodeAll(src []byte, vs []T) error {
	if len(src) != len(vs)*c.size {
		return malformed(c.typ, "%d bytes instead of %d of them in %d each", len(src), len(vs), c.size)
	}
	copyMessage(shm.Raw(vs), src)
	return nil
}

// Length is how many bytes Append appends for *v, or -1 if only that can tell.
func (c *Codec[T]) Length(v *T) int {
	switch c.form {
	case formPlain:
		return c.size
	case formString:
		return len(*asString(v))
	case formSlice:
		if s := *asBytes(v); s != nil {
			return c.Size(len(s))
		}
		return 0
	}
	return -1
}

// Size is the length of an encoded T of n elements, if T is a slice of plain ones,
// else -1.
func (c *Codec[T]) Size(n int) int {
	if c.form != formSlice || n > (math.MaxInt-1)/c.size {
		return -1
	}
	return n*c.size + 1
}

// Lay makes room, of Size(n) bytes, an encoded T of n elements, and returns a T
// that lies there. Its elements are what is there, which must have been written by
// a Codec[T], or be zero, if not every value of its memory is one of an element.
func (c *Codec[T]) Lay(room []byte, n int) (T, error) {
	var none T
	if len(room) != c.Size(n) {
		return none, fmt.Errorf("%d bytes for %d elements of %v", len(room), n, c.typ)
	}
	room[len(room)-1] = sliceEnd
	if c.bools != nil {
		clear(room[:len(room)-1])
	}
	return c.Alias(room)
}

// Alias is Decode without a copy: if T is a slice of plain elements, and src is
// aligned for them, the result lies in src.
func (c *Codec[T]) Alias(src []byte) (T, error) {
	if c.form != formSlice || len(src) == 0 || !aligned(src, c.typ.Elem().Align()) {
		return c.Decode(src)
	}
	var v, none T
	body, err := c.body(src)
	if err != nil {
		return none, err
	}
	if c.bools != nil && !every(body, c.size, c.bools) {
		return none, malformed(c.typ, "a bool that is neither true nor false")
	}
	*asBytes(&v) = elements(body, len(body)/c.size)
	return v, nil
}

// Simple reports whether Append and Decode run no code of T's own and look at each
// byte once at most: T is plain, a string, or a slice of plain elements.
func (c *Codec[T]) Simple() bool { return c.form < formParts }

// HasHandles reports whether a T can contain handles, so that AppendHandles has to be
// asked.
func (c *Codec[T]) HasHandles() bool {
	return c.form == formParts || c.form == formCBOR && c.cbor.root.handles
}

// AppendHandles appends the handles in v that are not nil, one as often as it occurs. It
// does not look into types that marshal themselves.
func (c *Codec[T]) AppendHandles(dst []Handle, v T) []Handle {
	switch {
	case !c.HasHandles():
		return dst
	case c.form == formParts:
		return c.parts.handles(dst, memoryOf(&v))
	}
	return c.appendHandlesCBOR(dst, v)
}

// What is apart here is so that v is on the heap only there.
func (c *Codec[T]) appendHandlesCBOR(dst []Handle, v T) []Handle {
	return c.cbor.handles(dst, reflect.ValueOf(&v).Elem())
}

// Append appends the encoded v to dst. It does not allocate if v is plain, a
// string or a slice of plain elements, and dst has room. After an error dst has
// its old length, but what lies behind that is undefined.
func (c *Codec[T]) Append(dst []byte, v T) ([]byte, error) {
	switch c.form {
	case formPlain:
		n := len(dst)
		dst = slices.Grow(dst, c.size)[:n+c.size]
		shm.Put(dst[n:], &v)
		return dst, nil
	case formString:
		return append(dst, *asString(&v)...), nil
	case formSlice:
		return appendSlice(dst, *asBytes(&v), c.size), nil
	case formParts:
		return c.parts.append(dst, memoryOf(&v))
	}
	return c.appendCBOR(dst, v)
}

// sliceEnd is the last byte of every slice that is not nil.
const sliceEnd = 1

// appendSlice appends a slice that asBytes viewed, with elements of n bytes.
func appendSlice(dst []byte, s []byte, n int) []byte {
	if s == nil {
		return dst
	}
	b := memory(s, n)
	dst = slices.Grow(dst, len(b)+1)
	return append(appendMessage(dst, b), sliceEnd)
}

func (c *Codec[T]) appendCBOR(dst []byte, v T) ([]byte, error) {
	return c.cbor.append(dst, &v)
}

// Decode makes a value from bytes that Append made. The value has no part in src.
// Other bytes are an ErrMalformed or make another value; they cost no more memory
// than a multiple of their number that depends on T.
func (c *Codec[T]) Decode(src []byte) (T, error) {
	switch c.form {
	case formPlain:
		return c.decodePlain(src)
	case formString:
		var v T
		*asString(&v) = string(src)
		return v, nil
	case formSlice:
		return c.decodeSlice(src)
	case formParts:
		return c.decodeParts(src)
	}
	return c.decodeCBOR(src)
}

// DecodeInto is Decode to *v. If T is a slice of plain elements that has room for those
// of the value, they come to lie there. After an error *v is as it was.
func (c *Codec[T]) DecodeInto(src []byte, v *T) error {
	switch {
	case c.AnyBytes() && len(src) == c.size:
		shm.Get(src, v)
		return nil
	case c.form == formSlice && len(src) > 0:
		if s := *asBytes(v); s != nil && cap(s) >= (len(src)-1)/c.size {
			return c.decodeSliceInto(src, v)
		}
	}
	decoded, err := c.Decode(src)
	if err == nil {
		*v = decoded
	}
	return err
}

// decodeSliceInto is DecodeInto for a slice with room.
func (c *Codec[T]) decodeSliceInto(src []byte, v *T) error {
	body, err := c.body(src)
	if err != nil {
		return err
	}
	if c.bools != nil {
		body = bytes.Clone(body) // src may be changing
		if !every(body, c.size, c.bools) {
			return malformed(c.typ, "a bool that is neither true nor false")
		}
	}
	s := (*asBytes(v))[:len(body)/c.size]
	copyMessage(memory(s, c.size), body)
	*asBytes(v) = s
	return nil
}

func (c *Codec[T]) decodePlain(src []byte) (v T, err error) {
	if len(src) != c.size {
		return v, malformed(c.typ, "%d bytes instead of %d", len(src), c.size)
	}
	if c.bools != nil {
		return c.decodeBools(src)
	}
	shm.Get(src, &v)
	return v, nil
}

// decodeBools checks the copy, because src may be changing.
func (c *Codec[T]) decodeBools(src []byte) (T, error) {
	var v, none T
	shm.Get(src, &v)
	if !c.bools(shm.Bytes(&v)) {
		return none, malformed(c.typ, "a bool that is neither true nor false")
	}
	return v, nil
}

func (c *Codec[T]) decodeSlice(src []byte) (T, error) {
	var v, none T
	if len(src) == 0 {
		return v, nil
	}
	body, err := c.body(src)
	if err != nil {
		return none, err
	}
	if n := len(body) / c.size; c.size == 1 {
		*asBytes(&v) = bytes.Clone(body) // without clearing the memory first
	} else {
		reflect.ValueOf(&v).Elem().Set(reflect.MakeSlice(c.typ, n, n))
		copyMessage(memory(*asBytes(&v), c.size), body)
	}
	if c.bools != nil && !every(memory(*asBytes(&v), c.size), c.size, c.bools) {
		return none, malformed(c.typ, "a bool that is neither true nor false")
	}
	return v, nil
}

// body is the elements of an encoded slice that is not nil.
func (c *Codec[T]) body(src []byte) ([]byte, error) {
	n := len(src) - 1
	if src[n] != sliceEnd || n%c.size != 0 {
		return nil, malformed(c.typ, "%d bytes, not elements of %d bytes and the byte %02x", len(src), c.size, sliceEnd)
	}
	return src[:n:n], nil
}

func (c *Codec[T]) decodeParts(src []byte) (T, error) {
	var v, none T
	if err := c.parts.decode(src, memoryOf(&v)); err != nil {
		return none, err
	}
	return v, nil
}

func (c *Codec[T]) decodeCBOR(src []byte) (T, error) {
	var v, none T
	if err := c.cbor.decode(src, &v); err != nil {
		return none, err
	}
	return v, nil
}
