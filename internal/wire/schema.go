package wire

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/mpgo/mp/shm"
)

// A node is what is known of one type in a message that travels as CBOR. Types
// that contain themselves make cycles.
type node struct {
	typ   reflect.Type
	role  role
	parts []part

	// Of the type and all that it contains:
	levels  int  // how deeply its CBOR is nested at most
	handles bool // has handles
	tags    bool // its CBOR may have tags
	look    bool // has values that are lost though the type is not: see examine
}

// A role is what becomes of a type's values.
type role uint8

const (
	leaf    role = iota // one CBOR item with nothing inside
	inner               // an array or a map with its parts inside, or a pointer to its only part
	opaque              // marshals itself to any CBOR item
	scalar              // marshals itself to a byte string or a text
	instant             // time.Time
	bignum              // big.Int
	handle              // the name of a shared object
)

// A part is a type inside another: an element, a key, or a field.
type part struct {
	name  string // as paths have it, with its point or brackets
	index []int  // of a field
	node  *node
}

// inspect makes the nodes of t and of all that it contains, or says what would be
// lost.
func inspect(t reflect.Type) (*node, error) {
	in := inspector{root: t, nodes: make(map[reflect.Type]*node)}
	n, err := in.visit(t, shm.TypeName(t))
	if err != nil {
		return nil, err
	}
	summarize(in.nodes)
	return n, nil
}

type inspector struct {
	root  reflect.Type
	nodes map[reflect.Type]*node
}

// lost is the error for the part of type t at the end of path.
func (in *inspector) lost(path string, t reflect.Type, reason string, args ...any) error {
	return &UnencodableError{Type: in.root, Path: path, Part: t, Reason: fmt.Sprintf(reason, args...)}
}

func (in *inspector) visit(t reflect.Type, path string) (*node, error) {
	if n := in.nodes[t]; n != nil {
		return n, nil
	}
	n := &node{typ: t}
	in.nodes[t] = n
	if reason := inherited(t); reason != "" {
		return n, in.lost(path, t, "%s", reason)
	}
	r, reason := roleByMethods(t)
	if reason != "" {
		return n, in.lost(path, t, "%s", reason)
	}
	n.role = r
	if r != leaf {
		return n, nil
	}
	return n, in.visitKind(n, path)
}

// visitKind deals with types that do not marshal themselves.
func (in *inspector) visitKind(n *node, path string) error {
	t := n.typ
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil // a byte string
		}
		return in.visitPart(n, part{name: "[]"}, t.Elem(), path)
	case reflect.Map:
		return in.visitMap(n, path)
	case reflect.Pointer:
		if endless(t) {
			return in.lost(path, t, "a pointer to itself points to no value")
		}
		return in.visitPart(n, part{}, t.Elem(), path)
	case reflect.Struct:
		n.role = inner
		fields := fieldSet{in: in, node: n, path: path, taken: make(map[string]string)}
		return fields.visit(t, "", nil)
	}
	return in.lost(path, t, "%s", reasonByKind(t.Kind()))
}

func (in *inspector) visitPart(n *node, p part, t reflect.Type, path string) (err error) {
	n.role = inner
	p.node, err = in.visit(t, path+p.name)
	n.parts = append(n.parts, p)
	return err
}

func (in *inspector) visitMap(n *node, path string) error {
	key := n.typ.Key()
	if pointsAnywhere(key) {
		return in.lost(path+"[key]", key, "a pointer is another one after the journey, so no key would be found again; use the value as the key")
	}
	if err := in.visitPart(n, part{name: "[key]"}, key, path); err != nil {
		return err
	}
	return in.visitPart(n, part{name: "[]"}, n.typ.Elem(), path)
}

// pointsAnywhere reports whether comparing two values of a map's key type would
// compare pointers.
func pointsAnywhere(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return true
	case reflect.Array:
		return pointsAnywhere(t.Elem())
	case reflect.Struct:
		if r, _ := roleByMethods(t); r != leaf {
			return false // its own business
		}
		for i := range t.NumField() {
			if pointsAnywhere(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// endless reports whether following pointers from t never ends, as in type P *P.
func endless(t reflect.Type) bool {
	seen := make(map[reflect.Type]bool)
	for ; t.Kind() == reflect.Pointer; t = t.Elem() {
		if seen[t] {
			return true
		}
		seen[t] = true
	}
	return false
}

func reasonByKind(k reflect.Kind) string {
	switch k {
	case reflect.Chan:
		return "a channel works within one process only; send a Queue or a Conn instead"
	case reflect.Func:
		return "a function cannot leave its process; register it and send its name"
	case reflect.Interface:
		return "the type of the value in an interface would be lost; use one concrete type"
	case reflect.Complex64, reflect.Complex128:
		return "CBOR has no complex numbers; use [2]float64, or a plain type for the whole message"
	default:
		return "an address means nothing in another process; send the value itself"
	}
}

// A fieldSet gathers the fields of a struct as the CBOR library sees them, which
// is as encoding/json does: an embedded struct's fields count as the outer's.
type fieldSet struct {
	in    *inspector
	node  *node
	path  string            // to the struct
	taken map[string]string // by name in CBOR, the field that has it
}

// visit adds the fields of t, which is the struct or embedded in it: name and
// index lead from the struct to t.
func (s *fieldSet) visit(t reflect.Type, name string, index []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		f.Index = append(index[:len(index):len(index)], i)
		if f.Name == "_" {
			continue // nobody can read or write it
		}
		if err := s.visitField(f, name+"."+f.Name); err != nil {
			return err
		}
	}
	return nil
}

func (s *fieldSet) visitField(f reflect.StructField, name string) error {
	tag := parseTag(f)
	merged := f.Anonymous && tag.name == ""
	switch {
	case tag.skip:
		return s.lost(name, f, "its tag leaves it out; give it another, or send a type without it")
	case merged && f.Type.Kind() == reflect.Struct:
		return s.visit(f.Type, name, f.Index)
	case !f.IsExported():
		return s.lost(name, f, "an unexported field does not travel; export it, or give its struct MarshalBinary and UnmarshalBinary")
	case merged && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct:
		return s.lost(name, f, "an embedded pointer that is nil looks like one to an empty struct; give the field a name")
	}
	key, ok := tag.key(f.Name)
	if !ok {
		return s.lost(name, f, "keyasint needs a number as the name")
	}
	if other, dup := s.taken[key]; dup {
		return s.lost(name, f, "%s has the same name in the message; rename one, or give it a cbor tag", s.path+other)
	}
	s.taken[key] = name
	return s.in.visitPart(s.node, part{name: name, index: f.Index}, f.Type, s.path)
}

func (s *fieldSet) lost(name string, f reflect.StructField, reason string, args ...any) error {
	return s.in.lost(s.path+name, f.Type, reason, args...)
}

// A fieldTag is what the CBOR library reads from a field's tag.
type fieldTag struct {
	name   string // or empty
	number bool   // name is one
	skip   bool
}

func parseTag(f reflect.StructField) fieldTag {
	text := f.Tag.Get("cbor")
	if text == "" {
		text = f.Tag.Get("json")
	}
	name, options, _ := strings.Cut(text, ",")
	t := fieldTag{name: name, skip: text == "-"}
	for option := range strings.SplitSeq(options, ",") {
		t.number = t.number || option == "keyasint"
	}
	return t
}

// key tells names apart as the library does: "1" is not 1, but "01" is.
func (t fieldTag) key(fieldName string) (key string, ok bool) {
	switch {
	case t.number:
		n, err := strconv.Atoi(t.name)
		return strconv.Itoa(n), err == nil
	case t.name != "":
		return strconv.Quote(t.name), true
	}
	return strconv.Quote(fieldName), true
}
