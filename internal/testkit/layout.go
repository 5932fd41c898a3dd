package testkit

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A LayoutRow is one line of a table in docs/memory-layout.md.
type LayoutRow struct {
	Offset int
	Size   int // 0 if it varies
	Name   string
}

var (
	layoutTitle = regexp.MustCompile("^##+ `?([\\w.]+)`?$")
	layoutRow   = regexp.MustCompile(`^\| (\d+) \| (\S+)[^|]*\| (\w+) \|`)
)

// Layouts are the tables of docs/memory-layout.md by their titles, such as
// "shm.header". root is the way to the module's root.
func Layouts(t *testing.T, root string) map[string][]LayoutRow {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/memory-layout.md")
	require.NoError(t, err)
	tables := make(map[string][]LayoutRow)
	title := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := layoutTitle.FindStringSubmatch(line); m != nil {
			title = m[1]
		}
		if m := layoutRow.FindStringSubmatch(line); m != nil {
			offset, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			size, _ := strconv.Atoi(m[2]) // 0 for "…"
			tables[title] = append(tables[title], LayoutRow{offset, size, m[3]})
		}
	}
	return tables
}

// RequireLayouts compares the tables whose titles begin with a package's name with
// its types: each field is listed, where it lies and as long as it is, and nothing
// else. Fields named _ are padding.
func RequireLayouts(t *testing.T, root, pkg string, structs ...reflect.Type) {
	t.Helper()
	tables := Layouts(t, root)
	for _, s := range structs {
		title := pkg + "." + s.Name()
		require.Equal(t, fields(s), tables[title], "docs/memory-layout.md: %s", title)
		delete(tables, title)
	}
	for title := range tables {
		require.False(t, strings.HasPrefix(title, pkg+"."), "docs/memory-layout.md: nobody compares %s with the code", title)
	}
}

func fields(s reflect.Type) (rows []LayoutRow) {
	for i := range s.NumField() {
		if f := s.Field(i); f.Name != "_" {
			rows = append(rows, LayoutRow{int(f.Offset), int(f.Type.Size()), f.Name})
		}
	}
	return rows
}
