package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/mpgo/mp"

// A source is one Go file of this module.
type source struct {
	*ast.File
	fset *token.FileSet
	path string // below the module's root, with slashes
}

func (s source) dir() string {
	if i := strings.LastIndexByte(s.path, '/'); i >= 0 {
		return s.path[:i]
	}
	return "."
}

func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }
func (s source) isUnsafe() bool { return strings.Contains(filepath.Base(s.path), "_unsafe") }

// at is where a node stands, for messages.
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.line(n.Pos()))
}

func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

// imports are the paths of the packages that the file imports.
func (s source) imports() (paths []string) {
	for _, i := range s.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err)
		}
		paths = append(paths, path)
	}
	return paths
}

const root = "../.."

// sources are all Go files of the module, those for other systems too. Nested
// modules are not part of it.
func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && foreign(path):
			return filepath.SkipDir
		case !d.Type().IsRegular() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		s, err := parse(path)
		all = append(all, s)
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 20, "the walk must have found the module")
	return all
}

// foreign reports whether the go command leaves a folder out of the module.
func foreign(dir string) bool {
	base := filepath.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func parse(path string) (source, error) {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return source{}, err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
	return source{f, fset, filepath.ToSlash(rel)}, err
}

// parseText makes a source of a text, to try the rules themselves.
func parseText(t *testing.T, path, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	require.NoError(t, err)
	return source{f, fset, path}
}
