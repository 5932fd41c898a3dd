package policy

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Links to files of this repository, and to headings of the same document, lead
// somewhere.
func TestTheLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	code := regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, doc := range documents(t) {
		text := readDocument(t, doc)
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			switch {
			case strings.Contains(m[1], "://"):
			case file == "":
				assert.True(t, hasHeading(text, heading), "%s: there is no #%s", doc, heading)
			default:
				_, err := os.Stat(filepath.Join(root, path.Dir(doc), file))
				assert.NoError(t, err, "%s links to %s", doc, file)
			}
		}
	}
}

// hasHeading reports whether a text has a heading that is addressed so.
func hasHeading(text, address string) bool {
	for line := range strings.Lines(text) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		if strings.ReplaceAll(name, " ", "-") == address {
			return true
		}
	}
	return false
}

// The README is what people read before they decide: two screens.
func TestTheReadmeIsShort(t *testing.T) {
	lines := strings.Count(readDocument(t, "README.md"), "\n")
	assert.LessOrEqual(t, lines, 110)
}
