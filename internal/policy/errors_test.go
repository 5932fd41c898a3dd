package policy

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An errorRow is one line of the tables in docs/errors.md.
type errorRow struct {
	messages []string // what it quotes
	names    string
}

var quoted = regexp.MustCompile("`([^`]+)`")

func errorRows(t *testing.T) (rows []errorRow) {
	for line := range strings.Lines(readDocument(t, "docs/errors.md")) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.Contains(line, "| name |") {
			continue
		}
		r := errorRow{names: cells[1]}
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			r.messages = append(r.messages, m[1])
		}
		rows = append(rows, r)
	}
	require.Greater(t, len(rows), 30)
	return rows
}

// Messages are quoted as the sources have them; what differs is written as "…".
func TestTheMessagesInTheListOfErrorsAreThoseOfTheCode(t *testing.T) {
	texts := append(stringLiterals(t), "EOF", "io: read/write on closed pipe")
	for _, r := range errorRows(t) {
		for _, m := range r.messages {
			assert.True(t, anyHasPieces(texts, strings.Split(m, "…")), "no message of the library has %q", m)
		}
	}
}

func anyHasPieces(texts, pieces []string) bool {
	for _, text := range texts {
		rest, ok := text, true
		for _, p := range pieces {
			_, rest, ok = cutAfter(rest, p, ok)
		}
		if ok {
			return true
		}
	}
	return false
}

// cutAfter cuts s after the first piece, if everything before was found.
func cutAfter(s, piece string, found bool) (before, after string, ok bool) {
	if !found {
		return "", "", false
	}
	return strings.Cut(s, piece)
}

func stringLiterals(t *testing.T) (texts []string) {
	for _, s := range sources(t) {
		if s.isTest() || strings.HasPrefix(s.path, "examples/") {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				texts = append(texts, text)
			}
			return true
		})
	}
	return texts
}

// Every error that a program can compare with, or take apart, is explained.
func TestEveryErrorIsInTheListOfErrors(t *testing.T) {
	names := ""
	for _, r := range errorRows(t) {
		names += r.names
	}
	found := 0
	for _, s := range sources(t) {
		if s.dir() != "." || s.isTest() {
			continue
		}
		for _, name := range errorNames(s) {
			found++
			assert.Contains(t, names, "`"+name+"`", "docs/errors.md does not explain it")
		}
	}
	assert.Greater(t, found, 30)
}

// errorNames are the exported variables Err… and types with an Error method, as
// people write them.
func errorNames(s source) (names []string) {
	for _, decl := range s.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || d.Name.Name != "Error" {
				continue
			}
			if typ := receiver(d.Recv.List[0].Type); ast.IsExported(typ) {
				names = append(names, "*"+typ)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if ok && d.Tok == token.VAR && strings.HasPrefix(v.Names[0].Name, "Err") {
					names = append(names, v.Names[0].Name)
				}
			}
		}
	}
	return names
}
