//go:build !explore

package shared_test

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
)

func TestTheWordsAreThoseOfSyncAtomic(t *testing.T) {
	assert.Equal(t, reflect.TypeFor[atomic.Int64](), reflect.TypeFor[shared.Int64]())
	assert.Equal(t, reflect.TypeFor[atomic.Uint32](), reflect.TypeFor[shared.Uint32]())
	assert.Equal(t, reflect.TypeFor[atomic.Uint64](), reflect.TypeFor[shared.Uint64]())
}

//go:noinline
func useShared(w *shared.Uint64, v *shared.Uint32) bool {
	w.Store(w.Load() + 1)
	return v.CompareAndSwap(0, 7) && uint64(v.Swap(1)) != w.Add(2)
}

//go:noinline
func useAtomic(w *atomic.Uint64, v *atomic.Uint32) bool {
	w.Store(w.Load() + 1)
	return v.CompareAndSwap(0, 7) && uint64(v.Swap(1)) != w.Add(2)
}

func TestTheMachineCodeIsThatOfSyncAtomic(t *testing.T) {
	require.Equal(t, useAtomic(new(atomic.Uint64), new(atomic.Uint32)), useShared(new(shared.Uint64), new(shared.Uint32)))
	program := filepath.Join(t.TempDir(), "shared.test")
	out, err := exec.Command("go", "test", "-c", "-o", program).CombinedOutput() // what runs here has no symbols
	require.NoError(t, err, "%s", out)
	withNames, without := machineCode(t, program, "useShared"), machineCode(t, program, "useAtomic")
	require.Greater(t, len(without), 5, "instructions")
	assert.Equal(t, without, withNames)
}

// machineCode is the instructions of a function of these tests, as bytes.
func machineCode(t *testing.T, program, function string) (code []string) {
	t.Helper()
	listing, err := exec.Command("go", "tool", "objdump", "-s", "shared_test."+function+"$", program).Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(listing)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[1], "0x") { // file:line, address, bytes, text
			code = append(code, f[2])
		}
	}
	return code
}
