package wire

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/mpgo/mp/shm"
)

// A Binder is a Handle that can be told by its type alone which object it stands for.
type Binder interface {
	Handle
	// WireBind makes an empty handle one of the object that r names.
	WireBind(r shm.Ref) error
}

// A partsCodec is the part of a Codec for handles, and for structs of handles and plain
// fields. They need no CBOR: whoever is woken for one has to fetch its code from memory
// that is in no cache any more, and this is a fifth of it. For the same reason it
// allocates nothing but the handles that it makes.
type partsCodec struct {
	typ    reflect.Type
	length int // of every encoded value
	fields []field
}

// A field is a part of a value: a handle, or plain memory.
type field struct {
	begin, end uintptr // where it is in the memory of the value
	bools      boolCheck
	object     reflect.Type // that a handle points to; nil for plain memory
}

var typeBinder = reflect.TypeFor[Binder]()

// newPartsCodec returns nil if t is another type. It is one that inspect approves of.
func newPartsCodec(t reflect.Type) *partsCodec {
	c := &partsCodec{typ: t}
	if c.add(0, t) && c.fields[0].object != nil {
		return c
	}
	c = &partsCodec{typ: t}
	if role, _ := roleByMethods(t); role != leaf || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if f := t.Field(i); !c.add(f.Offset, f.Type) {
			return nil
		}
	}
	return c
}

// add adds a part of type t, if it can be one.
func (c *partsCodec) add(begin uintptr, t reflect.Type) bool {
	f := field{begin: begin, end: begin + t.Size()}
	switch {
	case isBinder(t):
		f.object = t.Elem()
		c.length += shm.RefSize
	case shm.CheckPlain(t) == nil && marshalsNothing(t):
		f.bools = boolsOf(t)
		c.length += int(t.Size())
	default:
		return false
	}
	c.fields = append(c.fields, f)
	return true
}

// isBinder reports whether t is a Binder of this module's. A type of the user's around one
// has its methods, too, but may have more to say of itself, as CBOR.
func isBinder(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer || !t.Implements(typeBinder) {
		return false
	}
	path := t.Elem().PkgPath()
	return path == module || strings.HasPrefix(path, module+"/internal/")
}

// module is the path of the module's root.
var module = strings.TrimSuffix(reflect.TypeFor[field]().PkgPath(), "/internal/wire")

// marshalsNothing reports whether nothing in a plain type takes over its encoding.
func marshalsNothing(t reflect.Type) bool {
	if role, _ := roleByMethods(t); role != leaf {
		return false
	}
	switch t.Kind() {
	case reflect.Array:
		return marshalsNothing(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !marshalsNothing(t.Field(i).Type) {
				return false
			}
		}
	}
	return true
}

// handle is the handle in a value whose memory is mem, or nil.
func (f *field) handle(mem []byte) Handle {
	if f.object == nil {
		return nil
	}
	p := pointerAt(mem, f.begin)
	if p == nil {
		return nil
	}
	return reflect.NewAt(f.object, p).Interface().(Handle)
}

// append appends the value whose memory is mem.
func (c *partsCodec) append(dst, mem []byte) ([]byte, error) {
	n := len(dst)
	for i := range c.fields {
		f := &c.fields[i]
		if f.object == nil {
			dst = append(dst, mem[f.begin:f.end]...)
			continue
		}
		var r shm.Ref // of no object
		if h := f.handle(mem); h != nil {
			var err error
			if r, err = h.WireRef(); err != nil {
				return dst[:n], fmt.Errorf("wire: a %v: %w", c.typ, err)
			}
		}
		dst, _ = r.AppendBinary(dst)
	}
	return dst, nil
}

// handles appends the handles in the value whose memory is mem.
func (c *partsCodec) handles(dst []Handle, mem []byte) []Handle {
	for i := range c.fields {
		if h := c.fields[i].handle(mem); h != nil {
			dst = append(dst, h)
		}
	}
	return dst
}

// decode sets the value whose memory is mem, and which must be zero.
func (c *partsCodec) decode(src, mem []byte) error {
	if len(src) != c.length {
		return malformed(c.typ, "%d bytes instead of %d", len(src), c.length)
	}
	for i := range c.fields {
		f := &c.fields[i]
		n, err := f.decode(src, mem)
		if err != nil {
			return fmt.Errorf("wire: %w: a %v: %w", ErrMalformed, c.typ, err)
		}
		src = src[n:]
	}
	return nil
}

var errNoBool = errors.New("a bool that is neither true nor false")

// decode sets the field, and returns how many bytes it took.
func (f *field) decode(src, mem []byte) (int, error) {
	if f.object == nil {
		part := mem[f.begin:f.end]
		n := copy(part, src)
		if f.bools != nil && !f.bools(part) {
			return n, errNoBool
		}
		return n, nil
	}
	var r shm.Ref
	_ = r.UnmarshalBinary(src[:shm.RefSize])
	if r.IsZero() {
		return shm.RefSize, nil
	}
	object := reflect.New(f.object)
	if err := object.Interface().(Binder).WireBind(r); err != nil {
		return 0, err
	}
	setPointerAt(mem, f.begin, object.UnsafePointer())
	return shm.RefSize, nil
}
