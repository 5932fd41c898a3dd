package policy

import (
	"go/ast"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUnsafeIsImportedOnlyByFilesNamedForIt(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			if imported == "unsafe" {
				assert.True(t, s.isUnsafe(), "%s imports unsafe", s.path)
			}
		}
	}
}

func TestTheRootPackageAndTheExamplesHaveNoUnsafeFile(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir() == "." || strings.HasPrefix(s.dir(), "examples/") {
			assert.True(t, s.isTest() || !s.isUnsafe(), "%s: unsafe belongs further down", s.path)
		}
	}
}

func TestFilesNamedForUnsafeNeedIt(t *testing.T) {
	for _, s := range sources(t) {
		if s.isUnsafe() {
			assert.Contains(t, s.imports(), "unsafe", "%s need not be called that", s.path)
		}
	}
}

func TestEveryUnsafeExpressionSaysWhyItIsSafe(t *testing.T) {
	for _, s := range sources(t) {
		for _, where := range unjustified(s) {
			assert.Fail(t, where+": there is no // SAFETY: comment above this use of unsafe")
		}
	}
}

// unjustified lists the uses of unsafe that no SAFETY comment stands above, within
// the same declaration or before it. Sizes and offsets are harmless, and so are
// types alone.
func unjustified(s source) (places []string) {
	for _, decl := range s.Decls {
		begin := s.line(decl.Pos())
		if doc := docOf(decl); doc != nil {
			begin = s.line(doc.Pos())
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isUnsafeCall(call) && !safetyBetween(s, begin, s.line(call.Pos())) {
				places = append(places, s.at(call))
			}
			return true
		})
	}
	return places
}

func docOf(decl ast.Decl) *ast.CommentGroup {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}

// isUnsafeCall reports whether a call is of unsafe and does something dangerous.
func isUnsafeCall(call *ast.CallExpr) bool {
	name := qualified(call.Fun)
	switch name {
	case "unsafe.Sizeof", "unsafe.Alignof", "unsafe.Offsetof":
		return false
	}
	return strings.HasPrefix(name, "unsafe.")
}

// qualified returns a selector like pkg.Name as text, and anything else as nothing.
func qualified(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + sel.Sel.Name
}

func safetyBetween(s source, begin, end int) bool {
	for _, group := range s.Comments {
		for _, c := range group.List {
			line := s.line(c.Pos())
			if begin <= line && line <= end && strings.Contains(c.Text, "SAFETY:") {
				return true
			}
		}
	}
	return false
}

func TestTheRuleOfUnsafeItself(t *testing.T) {
	s := parseText(t, "a_unsafe.go", `package a
import "unsafe"

const size = unsafe.Sizeof(0)

func takes(p unsafe.Pointer) {}

// SAFETY: belongs to good alone.
func good(x *int) *byte { return (*byte)(unsafe.Pointer(x)) }

func alsoGood(x *int) *byte {
	// SAFETY: a byte is no larger.
	return (*byte)(unsafe.Pointer(x))
}

func bad(x *int) []byte {
	return unsafe.Slice((*byte)(nil), 1)
	// SAFETY: too late.
}
`)
	assert.Equal(t, []string{"a_unsafe.go:17"}, unjustified(s))
}

// Outside internal/sys the package syscall is good for names of errors and signals
// and for what os/exec wants, and tests may reach deeper where they say so in the
// file's name.
func TestOnlySysMakesSystemCalls(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir() == "internal/sys" || s.isTest() && s.isUnsafe() {
			continue
		}
		for _, where := range systemCalls(s) {
			assert.Fail(t, where+" makes a system call")
		}
	}
}

func systemCalls(s source) (places []string) {
	ast.Inspect(s.File, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if name := qualified(sel); strings.HasPrefix(name, "syscall.Syscall") || strings.HasPrefix(name, "syscall.RawSyscall") {
				places = append(places, s.at(sel))
			}
		}
		return true
	})
	return places
}

// lent is what the Go runtime keeps for other packages by its own word ("Do not
// remove or change the type signature") and this module uses.
var lent = []string{
	"//go:linkname overrideWrite runtime.overrideWrite", // runtime/time_nofake.go; see sys.KeepLastWords
}

func TestTheRuntimeIsNotReachedBehindItsBack(t *testing.T) {
	for _, s := range sources(t) {
		for _, group := range s.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:linkname ") {
					assert.Contains(t, lent, c.Text, "%s uses go:linkname", s.at(c))
				}
			}
		}
	}
}
