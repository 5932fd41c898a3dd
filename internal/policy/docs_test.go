package policy

import (
	"go/ast"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryPackageHasADocComment(t *testing.T) {
	documented := make(map[string]bool)
	for _, s := range sources(t) {
		if !s.isTest() {
			documented[s.dir()] = documented[s.dir()] || s.Doc != nil && opensWell(s)
		}
	}
	for dir, ok := range documented {
		assert.True(t, ok, "the package in %s needs a comment that begins with its name", dir)
	}
}

// opensWell reports whether the package comment begins as godoc wants it.
func opensWell(s source) bool {
	text := s.Doc.Text()
	if s.Name.Name == "main" {
		return text != ""
	}
	return strings.HasPrefix(text, "Package "+s.Name.Name+" ")
}

func TestEveryExportedNameHasADocComment(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.Name.Name == "main" {
			continue
		}
		for _, where := range undocumented(s) {
			assert.Fail(t, where+" has no doc comment")
		}
	}
}

// Fields, and the methods of interfaces, are documented by a comment above them or
// behind them.
func TestEveryExportedFieldHasAComment(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.dir() != "." && s.dir() != "ipc" && s.dir() != "shm" {
			continue
		}
		for _, where := range bareFields(s) {
			assert.Fail(t, where+" has no comment")
		}
	}
}

// bareFields are the exported fields, and methods of interfaces, without a comment.
func bareFields(s source) (places []string) {
	for _, decl := range s.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range d.Specs {
			sp, ok := spec.(*ast.TypeSpec)
			if !ok || !sp.Name.IsExported() {
				continue
			}
			for _, f := range fieldsOf(sp.Type) {
				if len(f.Names) > 0 && f.Names[0].IsExported() && f.Doc == nil && f.Comment == nil {
					places = append(places, s.at(f)+": "+sp.Name.Name+"."+f.Names[0].Name)
				}
			}
		}
	}
	return places
}

func fieldsOf(typ ast.Expr) []*ast.Field {
	switch typ := typ.(type) {
	case *ast.StructType:
		return typ.Fields.List
	case *ast.InterfaceType:
		if len(typ.Methods.List) > 1 { // of one alone the type's comment tells
			return typ.Methods.List
		}
	}
	return nil
}

func undocumented(s source) (places []string) {
	missing := func(n ast.Node, name string) { places = append(places, s.at(n)+": "+name) }
	for _, decl := range s.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && !explainsItself(d) {
				missing(d, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if name, ok := exportedName(spec); ok && d.Doc == nil && !specDocumented(spec) {
					missing(spec, name)
				}
			}
		}
	}
	return places
}

// explainsItself holds for methods of unexported types, and for those that every
// reader knows from the standard library.
func explainsItself(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	switch d.Name.Name {
	case "Error", "Unwrap", "Is", "As", "String", "Len", "Less", "Swap",
		"MarshalCBOR", "UnmarshalCBOR", "MarshalBinary", "UnmarshalBinary", "MarshalText", "UnmarshalText":
		return true
	}
	return !ast.IsExported(receiver(d.Recv.List[0].Type))
}

// receiver is the name of the type that a method belongs to.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func exportedName(spec ast.Spec) (string, bool) {
	switch sp := spec.(type) {
	case *ast.TypeSpec:
		return sp.Name.Name, sp.Name.IsExported()
	case *ast.ValueSpec:
		for _, n := range sp.Names {
			if n.IsExported() {
				return n.Name, true
			}
		}
	}
	return "", false
}

func specDocumented(spec ast.Spec) bool {
	switch sp := spec.(type) {
	case *ast.TypeSpec:
		return sp.Doc != nil || sp.Comment != nil
	case *ast.ValueSpec:
		return sp.Doc != nil || sp.Comment != nil
	}
	return true
}

func TestTheRuleOfDocCommentsItself(t *testing.T) {
	s := parseText(t, "a.go", `package a

func Bare() {}

// Said is said.
func Said() {}

type hidden struct{}

func (hidden) Method() {}

// Shown is shown.
type Shown[T any] struct{}

func (*Shown[T]) Error() string { return "" }
func (*Shown[T]) Bare()         {}

// These belong together.
const (
	A = 1
	B = 2
)

var C = 3
`)
	assert.Equal(t, []string{"a.go:3: Bare", "a.go:16: Bare", "a.go:24: C"}, undocumented(s))
}
