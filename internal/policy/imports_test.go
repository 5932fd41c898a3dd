package policy

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// layers says which folders the packages of a folder may import from: itself and
// these, with all below them. The most exact entry counts.
var layers = map[string][]string{
	"examples":      {".", "connection", "ipc", "shm"},
	"cmd":           {"."},
	"connection":    {".", "internal"},
	".":             {"ipc", "shm", "internal"},
	"ipc":           {"shm", "internal"},
	"shm":           {"internal"},
	"internal":      {},
	"internal/wire": {"shm", "internal"}, // the codec knows plain types and handles
}

// mayImport reports whether the package in one folder may import that in another.
func mayImport(from, to string) bool {
	layer := from
	for _, ok := layers[layer]; !ok; _, ok = layers[layer] {
		if layer = path.Dir(layer); layer == "." {
			return false // a folder that belongs to no layer
		}
	}
	return within(to, layer) || slices.ContainsFunc(layers[layer], func(l string) bool { return within(to, l) })
}

// within reports whether a package is that in a folder or below it. The root
// package's folder is its alone.
func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

func TestNobodyImportsUpwards(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			to, ours := ourPackage(imported)
			if ours && s.dir() != to {
				assert.True(t, mayImport(s.dir(), to), "%s may not import %s", s.path, imported)
			}
		}
	}
}

// ourPackage returns the folder of a package of this module.
func ourPackage(imported string) (dir string, ours bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func TestTheRuleOfImportsItself(t *testing.T) {
	for _, ok := range [][2]string{
		{"examples/wordcount", "."}, {".", "ipc"}, {".", "internal/wire"}, {"ipc", "shm"}, {"ipc", "internal/futex"},
		{"shm", "internal/sys"}, {"internal/futex", "internal/sys"}, {"internal/wire", "shm"},
		{"connection", "."}, {"connection", "internal/wire"},
	} {
		assert.True(t, mayImport(ok[0], ok[1]), "%s should be allowed to import %s", ok[0], ok[1])
	}
	for _, bad := range [][2]string{
		{"ipc", "."}, {"shm", "ipc"}, {"shm", "."}, {"internal/sys", "shm"}, {"internal/wire", "ipc"}, {"internal/sys", "."},
		{".", "examples/wordcount"}, {"examples/wordcount", "internal/sys"}, {"somewhere/new", "shm"}, {"ipc", "bench"},
		{".", "connection"}, {"connection", "shm"}, {"ipc", "connection"},
	} {
		assert.False(t, mayImport(bad[0], bad[1]), "%s should not be allowed to import %s", bad[0], bad[1])
	}
}

func TestOnlySysImportsTheSystemCallPackage(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			if strings.HasPrefix(imported, "golang.org/x/sys") {
				assert.Equal(t, "internal/sys", s.dir(), "%s imports %s", s.path, imported)
			}
			assert.NotEqual(t, "C", imported, "%s: the library is pure Go", s.path)
		}
	}
}
