// Package report tells what a storm was and what came of it: as text, as a page, and as
// JSON.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
)

// Files are where reports go besides standard output.
type Files struct{ html, json *os.File }

// Open makes sure that the files can be written, before it is too late. An empty name
// stands for none.
func Open(html, json string) (*Files, error) {
	var f Files
	var err error
	if f.html, err = open(html); err != nil {
		return nil, fmt.Errorf("-html: %w", err)
	}
	if f.json, err = open(json); err != nil {
		return nil, fmt.Errorf("-json: %w", err)
	}
	return &f, nil
}

// open leaves what is in the file until there is a report.
func open(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
}

// Write writes the report into all files, and closes them.
func (f *Files) Write(r *storm.Report) error {
	return errors.Join(
		replace(f.html, func(w io.Writer) error { return HTML(w, r) }),
		replace(f.json, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(r)
		}))
}

// replace writes a file's new contents.
func replace(f *os.File, write func(io.Writer) error) error {
	if f == nil {
		return nil
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Truncate(0); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(write(f), f.Close())
}
