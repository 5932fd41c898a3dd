package shm

import (
	"fmt"
	"hash/fnv"
	"io"
	"reflect"
	"strconv"
	"sync"
)

// A NotPlainError says which part of a type keeps it out of shared memory.
// errors.Is(err, ErrNotPlain) holds.
type NotPlainError struct {
	Type reflect.Type // that was checked
	Path string       // from its name to the part, such as "Config.Items[].Name"
	Part reflect.Type // the part's type
	Kind reflect.Kind // the part's kind
}

func (e *NotPlainError) Error() string {
	return fmt.Sprintf("shm: %s is %s: %v: %s", e.Path, describe(e.Part), ErrNotPlain, cure(e.Part))
}

// Unwrap returns ErrNotPlain.
func (e *NotPlainError) Unwrap() error { return ErrNotPlain }

// CheckPlain reports whether values of type t are nothing but their own memory,
// so that another process can make sense of the bytes: numbers, bools, and arrays
// and structs of those. Exported or not makes no difference, and neither do tags.
// The types of sync/atomic are plain where their values are; those of sync are
// not, because they put goroutines of one process to sleep. An array without
// elements has no memory and is plain whatever it is of.
//
// The error is a *NotPlainError.
func CheckPlain(t reflect.Type) error {
	if t == nil {
		return fmt.Errorf("shm: no type: %w", ErrNotPlain)
	}
	part, path := findNotPlain(t, TypeName(t))
	if part == nil {
		return nil
	}
	return &NotPlainError{Type: t, Path: path, Part: part, Kind: part.Kind()}
}

// TypeName is what paths call a type: its name without the package's, or how it
// is written if it has none.
func TypeName(t reflect.Type) string {
	if t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

// findNotPlain returns the first part of t that is not plain and the path to it,
// or nil. It ends because only types with pointers can contain themselves.
func findNotPlain(t reflect.Type, path string) (reflect.Type, string) {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Complex128 && k != reflect.Uintptr:
		return nil, ""
	case k == reflect.Array && t.Len() == 0:
		return nil, ""
	case k == reflect.Array:
		return findNotPlain(t.Elem(), path+"[]")
	case k == reflect.Struct && !ofOneProcess(t):
		return findNotPlainField(t, path)
	}
	return t, path
}

func findNotPlainField(t reflect.Type, path string) (reflect.Type, string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if part, at := findNotPlain(f.Type, path+"."+f.Name); part != nil {
			return part, at
		}
	}
	return nil, ""
}

// ofOneProcess reports whether t is one of sync's types, which look like plain
// memory but hang on the runtime's own tables of sleeping goroutines.
func ofOneProcess(t reflect.Type) bool {
	return t.PkgPath() == "sync" || t.PkgPath() == "internal/sync"
}

// describe says what a type is, with its kind if the name hides it.
func describe(t reflect.Type) string {
	if t.Name() == "" || t.Name() == t.Kind().String() {
		return "a " + t.String()
	}
	return fmt.Sprintf("a %v (%v)", t, t.Kind())
}

// cure is what to do instead.
func cure(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string has no fixed size; use an array such as [64]byte"
	case reflect.Slice:
		return "a slice has no fixed size; use an array, or an Array of its own"
	case reflect.Map:
		return "a map has no fixed size; use an array of keys and values"
	case reflect.Struct:
		return "it works between the goroutines of one process only; use this library's locks beside the data"
	case reflect.Interface:
		return "an interface points to its value; use one concrete type"
	case reflect.Chan:
		return "a channel works within one process only; use a Queue"
	case reflect.Func:
		return "a function cannot leave its process; register it and use its name"
	default:
		return "an address means nothing in another process; use the value itself, or an index"
	}
}

// TypeHash is a number for t that two programs built from the same sources agree
// on and that changes with t's name, its layout, and the names, tags and types of
// what it is made of. It is never 0.
func TypeHash(t reflect.Type) uint32 {
	if h, ok := typeHashes.Load(t); ok {
		return h.(uint32)
	}
	h := hashType(t)
	typeHashes.Store(t, h)
	return h
}

// typeHashes are those that were asked for: each handle that arrives asks, and to work
// one out takes 20,000 instructions.
var typeHashes sync.Map // reflect.Type → uint32

func hashType(t reflect.Type) uint32 {
	h := fnv.New32a()
	p := typePrinter{w: h, seen: make(map[reflect.Type]int)}
	p.print(t)
	return max(h.Sum32(), 1)
}

// A typePrinter writes down types completely. Strings are quoted, so that no two
// types are written alike.
type typePrinter struct {
	w    io.Writer
	seen map[reflect.Type]int // in order of first appearance
}

func (p typePrinter) print(t reflect.Type) {
	if t == nil {
		p.put("nil")
		return
	}
	if n, again := p.seen[t]; again {
		p.put("#", strconv.Itoa(n))
		return
	}
	p.seen[t] = len(p.seen)
	p.put(strconv.Quote(t.PkgPath()), strconv.Quote(t.Name()), t.Kind().String(), strconv.FormatUint(uint64(t.Size()), 10))
	p.printParts(t)
}

func (p typePrinter) printParts(t reflect.Type) {
	switch t.Kind() {
	case reflect.Array:
		p.put(strconv.Itoa(t.Len()))
		p.print(t.Elem())
	case reflect.Pointer, reflect.Slice:
		p.print(t.Elem())
	case reflect.Chan:
		p.put(t.ChanDir().String())
		p.print(t.Elem())
	case reflect.Map:
		p.print(t.Key())
		p.print(t.Elem())
	case reflect.Struct:
		p.printFields(t)
	case reflect.Func:
		p.printSignature(t)
	case reflect.Interface:
		// Listing the methods would keep the linker from dropping unused ones.
		p.put(strconv.Quote(t.String()))
	}
}

func (p typePrinter) printFields(t reflect.Type) {
	p.put(strconv.Itoa(t.NumField()))
	for i := range t.NumField() {
		f := t.Field(i)
		p.put(strconv.Quote(f.Name), strconv.Quote(string(f.Tag)), strconv.FormatUint(uint64(f.Offset), 10), strconv.FormatBool(f.Anonymous))
		p.print(f.Type)
	}
}

func (p typePrinter) printSignature(t reflect.Type) {
	p.put(strconv.Itoa(t.NumIn()), strconv.Itoa(t.NumOut()), strconv.FormatBool(t.IsVariadic()))
	for in := range t.Ins() {
		p.print(in)
	}
	for out := range t.Outs() {
		p.print(out)
	}
}

// put writes words, each followed by a space. Writing to a hash does not fail.
func (p typePrinter) put(words ...string) {
	for _, w := range words {
		_, _ = io.WriteString(p.w, w+" ")
	}
}
