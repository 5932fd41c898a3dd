package wire

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/mpgo/mp/shm"
)

// errTooDeep ends the way into a value that has no end.
var errTooDeep = errors.New("too deep")

// examine looks for what the type allows and CBOR does not keep: nesting without
// end, pointers to what is null in CBOR, and times that their text form changes.
func (c *cborCodec) examine(v reflect.Value) error {
	err := examine(v, c.root, 0)
	var lost *UnencodableError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooDeep):
		lost = &UnencodableError{Part: c.root.typ, Reason: fmt.Sprintf("it is nested more than %d deep; does it contain itself?", maxLevels)}
	case !errors.As(err, &lost):
		return err
	}
	lost.Type, lost.Path = c.root.typ, shm.TypeName(c.root.typ)+lost.Path
	return lost
}

// examine looks at a value whose CBOR lies level levels deep. The path in its error
// begins where v does.
func examine(v reflect.Value, n *node, level int) error {
	switch {
	case !n.look:
		return nil
	case n.role == instant:
		return examineTime(v)
	case n.typ.Kind() != reflect.Pointer:
		level++
	case mayPointToNull(n) && !v.IsNil() && isNull(v.Elem()):
		return &UnencodableError{Part: n.typ, Reason: "a pointer to a nil pointer, slice or map, or to the zero time, would arrive as nil"}
	}
	if level > maxLevels {
		return errTooDeep
	}
	return n.eachPart(v, func(p part, v reflect.Value) error {
		err := examine(v, p.node, level)
		if lost, ok := err.(*UnencodableError); ok {
			lost.Path = p.name + lost.Path
		}
		return err
	})
}

// eachPart calls f for the values inside v, until it returns an error.
func (n *node) eachPart(v reflect.Value, f func(part, reflect.Value) error) error {
	if n.role != inner {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return f(n.parts[0], v.Elem())
	case reflect.Slice, reflect.Array:
		return eachElement(v, n.parts[0], f)
	case reflect.Map:
		return eachPair(v, n.parts[0], n.parts[1], f)
	}
	for _, p := range n.parts {
		if err := f(p, v.FieldByIndex(p.index)); err != nil {
			return err
		}
	}
	return nil
}

func eachElement(v reflect.Value, elem part, f func(part, reflect.Value) error) error {
	for i := range v.Len() {
		if err := f(elem, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func eachPair(v reflect.Value, key, elem part, f func(part, reflect.Value) error) error {
	for it := v.MapRange(); it.Next(); {
		if err := f(key, it.Key()); err != nil {
			return err
		}
		if err := f(elem, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func isNull(v reflect.Value) bool {
	if v.Kind() == reflect.Struct {
		return v.Interface().(time.Time).IsZero()
	}
	return v.IsNil()
}

// examineTime checks what RFC 3339 has room for: years of four digits, and offsets
// from UTC of less than a day in whole minutes.
func examineTime(v reflect.Value) error {
	t := v.Interface().(time.Time)
	_, offset := t.Zone()
	switch year := t.Year(); {
	case t.IsZero():
		return nil
	case year < 0 || year > 9999:
		return &UnencodableError{Part: typeTime, Reason: fmt.Sprintf("the year %d has not four digits; send the seconds", year)}
	case offset%60 != 0 || offset <= -24*3600 || offset >= 24*3600:
		return &UnencodableError{Part: typeTime, Reason: fmt.Sprintf("an offset of %d seconds from UTC would change on the way; send the time in UTC", offset)}
	}
	return nil
}

// handles appends the handles in v.
func (c *cborCodec) handles(dst []Handle, v reflect.Value) []Handle {
	_ = collect(v, c.root, 0, &dst) // what is too deep to be sent has no handles to send
	return dst
}

func collect(v reflect.Value, n *node, level int, found *[]Handle) error {
	switch {
	case !n.handles:
		return nil
	case n.role == handle:
		if !v.IsNil() {
			*found = append(*found, v.Interface().(Handle))
		}
		return nil
	case n.typ.Kind() != reflect.Pointer:
		level++
	}
	if level > maxLevels {
		return errTooDeep
	}
	return n.eachPart(v, func(p part, v reflect.Value) error { return collect(v, p.node, level, found) })
}
