package policy

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowed are the modules that this one may require itself. Anything heavier, and
// everything it is compared with, lives in a nested module.
var allowed = []string{
	"golang.org/x/sys",
	"github.com/edsrzf/mmap-go",
	"github.com/fxamacker/cbor/v2",
	// for tests
	"github.com/stretchr/testify",
	"pgregory.net/rapid",
	"github.com/anishathalye/porcupine",
}

// A goMod is what the go command says that go.mod contains.
type goMod struct {
	Module struct{ Path string }
	Go     string

	Toolchain string
	Require   []struct {
		Path     string
		Indirect bool
	}
	Replace, Exclude []any
}

func readGoMod(t *testing.T) (m goMod) {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &m))
	return m
}

func TestTheModuleIsWhatItsUsersRelyOn(t *testing.T) {
	m := readGoMod(t)
	assert.Equal(t, module, m.Module.Path)
	assert.Equal(t, "1.26.0", m.Go)
	assert.Empty(t, m.Toolchain)
	assert.Empty(t, m.Replace, "users of a module do not get its replacements")
	assert.Empty(t, m.Exclude)
}

func TestTheModuleRequiresNothingElse(t *testing.T) {
	for _, r := range readGoMod(t).Require {
		if !r.Indirect {
			assert.Contains(t, allowed, r.Path)
		}
	}
}

func TestNothingElseIsImported(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			assert.True(t, mayUse(imported), "%s imports %s", s.path, imported)
		}
	}
}

// mayUse reports whether a package is of the standard library, of this module, or of
// an allowed one.
func mayUse(imported string) bool {
	if _, ours := ourPackage(imported); ours {
		return true
	}
	host, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(host, ".") || slices.ContainsFunc(allowed, func(m string) bool { return within(imported, m) })
}
