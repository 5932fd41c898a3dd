package policy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheProgramInTheReadmePrintsWhatItSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```\n").FindSubmatch(text)
	require.NotNil(t, program)
	promised := regexp.MustCompile(`fmt\.Println\(.*\) // (.*)`).FindSubmatch(program[1])
	require.NotNil(t, promised)

	out, err := exec.Command(build(t, program[1])).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, string(promised[1]), strings.TrimSpace(string(out)))
}

// build builds a program as if it were one of the examples.
func build(t *testing.T, program []byte) string {
	t.Helper()
	dir := t.TempDir()
	main, overlay, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay"), filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(main, program, 0o644))

	examples, err := filepath.Abs(filepath.Join(root, "examples"))
	require.NoError(t, err)
	replace := map[string]map[string]string{"Replace": {filepath.Join(examples, "readme", "main.go"): main}}
	text, err := json.Marshal(replace)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, text, 0o644))

	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./readme")
	cmd.Dir = examples
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}
