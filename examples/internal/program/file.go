package program

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mpgo/mp"
)

// TempFile is a name for a file that is removed when the program ends, after the last
// of its processes.
func TempFile(name string) (string, error) {
	dir, err := os.MkdirTemp("", "mp-example")
	if err != nil {
		return "", err
	}
	mp.AtExit(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, name), nil
}

// Load reads what Save wrote.
func Load(file string, v any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// Save writes v as JSON. It replaces the file, so that nobody ever reads half of it.
func Save(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp := fmt.Sprint(file, os.Getpid())
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, file)
}
