package policy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program is one that a document shows, with what it says that it prints.
type program struct {
	text   string
	prints string
}

func TestTheProgramsInTheDocumentsPrintWhatTheySay(t *testing.T) {
	programs := append(readmePrograms(t), guidePrograms(t)...)
	for i, binary := range build(t, programs) {
		out, err := exec.Command(binary).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, programs[i].prints, strings.TrimSpace(string(out)))
	}
}

// readmePrograms says in a comment what it prints.
func readmePrograms(t *testing.T) (programs []program) {
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```\n").FindAllStringSubmatch(readDocument(t, "README.md"), -1) {
		promised := regexp.MustCompile(`fmt\.Println\(.*\) // (.*)`).FindStringSubmatch(m[1])
		require.NotNil(t, promised, "a comment says what it prints")
		programs = append(programs, program{m[1], promised[1]})
	}
	require.Len(t, programs, 1)
	return programs
}

// guidePrograms are each followed by what they print.
func guidePrograms(t *testing.T) (programs []program) {
	text := readDocument(t, "docs/guide.md")
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```\n\n```text\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		programs = append(programs, program{m[1], strings.TrimSpace(m[2])})
	}
	require.Len(t, programs, strings.Count(text, "```go\n"), "each is followed by its output")
	return programs
}

// build builds programs as if they were examples, and returns their paths.
func build(t *testing.T, programs []program) (binaries []string) {
	t.Helper()
	dir, examples := t.TempDir(), filepath.Join(root, "examples")
	examples, err := filepath.Abs(examples)
	require.NoError(t, err)
	replace := make(map[string]string)
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay"), "-o", dir + "/"}
	for i, p := range programs {
		name := "shown" + strconv.Itoa(i)
		source := filepath.Join(dir, name+".go")
		require.NoError(t, os.WriteFile(source, []byte(p.text), 0o644))
		replace[filepath.Join(examples, name, "main.go")] = source
		args = append(args, "./"+name)
		binaries = append(binaries, filepath.Join(dir, name))
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay"), overlay, 0o644))

	cmd := exec.Command("go", args...)
	cmd.Dir = examples
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binaries
}
