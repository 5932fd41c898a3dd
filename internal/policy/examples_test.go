package policy

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What an example shows. Every exported type, function and method of the root
// package must be used by an example that is run: one of a file example_*_test.go
// whose Example function says what it prints. A type is used where it is named, where
// one of its methods is called, or where a function that returns it is. What is used is
// found by the type checker, so that a method of the same name of another type does not
// count.
//
// Three things need none: methods that other packages call (calledByOthers),
// constants, and the errors, each of which is in docs/errors.md.

// calledByOthers are methods for fmt, errors and the codec.
var calledByOthers = map[string]bool{
	"Error": true, "Unwrap": true, "Is": true, "String": true,
	"MarshalCBOR": true, "UnmarshalCBOR": true, "WireRef": true, "WireBind": true, "Write": true,
}

func TestEveryExportedNameHasAnExample(t *testing.T) {
	pkg, used := checkExamples(t)
	var missing []string
	all := exportedNames(pkg)
	for _, name := range all {
		if !used[name] {
			missing = append(missing, name)
		}
	}
	t.Logf("%d exported types, functions and methods, %d of them in examples", len(all), len(all)-len(missing))
	assert.Empty(t, missing, "no example that is run uses these")
}

func TestEachFileOfExamplesIsOneProgram(t *testing.T) {
	for _, s := range exampleFiles(t) {
		examples := doc.Examples(s.File)
		assert.Len(t, examples, 1, "%s: documentation shows a file as a whole if it has one example", s.path)
		for _, e := range examples {
			assert.NotEmpty(t, e.Output, "%s: Example%s is not run without an Output comment", s.path, e.Name)
		}
	}
	fset, imports, trees := parseExamples(t)
	for _, tree := range trees {
		conf := types.Config{Importer: imports}
		_, err := conf.Check(module+"_test", fset, []*ast.File{tree}, nil)
		assert.NoError(t, err, "readers see this file alone")
	}
}

// exampleFiles are those of the root package.
func exampleFiles(t *testing.T) (files []source) {
	for _, s := range sources(t) {
		if s.dir() == "." && strings.HasPrefix(s.path, "example_") && s.isTest() {
			files = append(files, s)
		}
	}
	require.NotEmpty(t, files)
	return files
}

// exportedNames are those of the package: types, functions, and methods as Type.Method.
func exportedNames(pkg *types.Package) (all []string) {
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		switch o := o.(type) {
		case *types.Func:
			all = append(all, name)
		case *types.TypeName:
			all = append(all, name)
			for _, m := range methods(o) {
				all = append(all, name+"."+m)
			}
		}
	}
	return all
}

// methods are the exported methods that a type declares, without calledByOthers.
func methods(o *types.TypeName) (names []string) {
	named, ok := o.Type().(*types.Named)
	if !ok {
		return nil
	}
	for m := range named.Methods() {
		if m.Exported() && !calledByOthers[m.Name()] {
			names = append(names, m.Name())
		}
	}
	return names
}

// checkExamples returns the root package and what of it the examples use.
func checkExamples(t *testing.T) (pkg *types.Package, used map[string]bool) {
	fset, imports, trees := parseExamples(t)
	pkg, err := imports.Import(module)
	require.NoError(t, err)

	used = make(map[string]bool)
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Importer: imports}
	_, err = conf.Check(module+"_test", fset, trees, &info)
	require.NoError(t, err)
	for _, o := range info.Uses {
		if o.Pkg() == pkg {
			note(used, o)
		}
	}
	return pkg, used
}

// parseExamples parses the examples for the type checker, and finds what they import.
func parseExamples(t *testing.T) (fset *token.FileSet, imports types.Importer, trees []*ast.File) {
	packages := map[string]bool{module: true}
	fset = token.NewFileSet() // one for all, as the checker compares positions
	for _, s := range exampleFiles(t) {
		tree, err := parser.ParseFile(fset, filepath.Join(root, s.path), nil, 0)
		require.NoError(t, err)
		trees = append(trees, tree)
		for _, imported := range s.imports() {
			packages[imported] = true
		}
	}
	return fset, importer.ForCompiler(fset, "gc", exportData(t, slices.Sorted(maps.Keys(packages)))), trees
}

// note notes a used object: of a function also the types that it belongs to and
// returns.
func note(used map[string]bool, o types.Object) {
	f, ok := o.(*types.Func)
	if !ok {
		used[o.Name()] = true
		return
	}
	name := o.Name()
	if recv := f.Signature().Recv(); recv != nil {
		typ := typeName(recv.Type())
		used[typ] = true
		name = typ + "." + name
	}
	used[name] = true
	for result := range f.Signature().Results().Variables() {
		used[typeName(result.Type())] = true
	}
}

// typeName is the name of a type, or of what it points to.
func typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name()
	}
	return ""
}

// exportData finds what the compiler has written about packages.
func exportData(t *testing.T, packages []string) importer.Lookup {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, packages...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(files[path])
	}
}
