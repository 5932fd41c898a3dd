package policy

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A promise that a test shows must name one that exists.
func TestTheTestsThatDocumentsNameExist(t *testing.T) {
	tests := testNames(t)
	named := regexp.MustCompile("`((?:[a-z]+\\.)?Test[A-Z]\\w*)`")
	found := 0
	for _, path := range documents(t) {
		for _, m := range named.FindAllStringSubmatch(readDocument(t, path), -1) {
			found++
			assert.True(t, tests[m[1]], "%s names %s, and there is no such test", path, m[1])
		}
	}
	assert.Greater(t, found, 50, "the crash contract names its tests")
}

// Each row of the crash contract's tables ends with a test.
func TestEveryPromiseOfTheCrashContractNamesItsTest(t *testing.T) {
	for line := range strings.Lines(readDocument(t, "docs/crash-contract.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 2 || strings.Contains(line, "shown by") || strings.HasPrefix(line, "|---") || !strings.HasPrefix(line, "|") {
			continue
		}
		assert.Contains(t, cells[len(cells)-1], "Test", "no test shows this: %s", line)
	}
}

// testNames are the tests of all packages; those of the root package go by their own
// name, the others have the package's last element in front.
func testNames(t *testing.T) map[string]bool {
	names := make(map[string]bool)
	for _, s := range sources(t) {
		prefix := ""
		if s.dir() != "." {
			prefix = filepath.Base(s.dir()) + "."
		}
		for _, d := range s.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest() && strings.HasPrefix(f.Name.Name, "Test") {
				names[prefix+f.Name.Name] = true
			}
		}
	}
	return names
}

// documents are the paths of all documents below the root.
func documents(t *testing.T) (paths []string) {
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, f := range found {
			rel, err := filepath.Rel(root, f)
			require.NoError(t, err)
			paths = append(paths, filepath.ToSlash(rel))
		}
	}
	require.NotEmpty(t, paths)
	return paths
}

func readDocument(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(text)
}
