package wire

import "reflect"

// A boolCheck reports whether every bool in the memory of a value is 0 or 1. The
// compiler relies on that: a bool of 2 that an attacker sent could make it index
// beyond an array. All other plain memory is a value whatever its bits are. It is
// nil for types without bools.
type boolCheck func(mem []byte) bool

func boolsOf(t reflect.Type) boolCheck {
	switch t.Kind() {
	case reflect.Bool:
		return func(mem []byte) bool { return mem[0] <= 1 }
	case reflect.Array:
		return boolsOfArray(t)
	case reflect.Struct:
		return boolsOfStruct(t)
	}
	return nil
}

func boolsOfArray(t reflect.Type) boolCheck {
	elem := boolsOf(t.Elem())
	if elem == nil || t.Size() == 0 {
		return nil
	}
	size := int(t.Elem().Size())
	return func(mem []byte) bool { return every(mem, size, elem) }
}

func boolsOfStruct(t reflect.Type) boolCheck {
	type part struct {
		begin, end uintptr
		ok         boolCheck
	}
	var parts []part
	for i := range t.NumField() {
		f := t.Field(i)
		if ok := boolsOf(f.Type); ok != nil {
			parts = append(parts, part{f.Offset, f.Offset + f.Type.Size(), ok})
		}
	}
	if parts == nil {
		return nil
	}
	return func(mem []byte) bool {
		for _, p := range parts {
			if !p.ok(mem[p.begin:p.end]) {
				return false
			}
		}
		return true
	}
}

// every applies a check to consecutive values of size bytes.
func every(mem []byte, size int, ok boolCheck) bool {
	for ; len(mem) > 0; mem = mem[size:] {
		if !ok(mem[:size]) {
			return false
		}
	}
	return true
}
