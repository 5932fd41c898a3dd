//go:build explore

package testkit

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/explore"
)

var (
	exploreFor      = flag.Duration("explore.for", 10*time.Second, "how long to explore one model at most")
	exploreSchedule = flag.String("explore.schedule", "", "run this schedule only")
)

// Explore explores models, by their names; it is for tests that are called
// TestExplore. A schedule that failed is run again by
//
//	go test -tags explore -run 'TestExplore/name$' -explore.schedule=…
func Explore(t *testing.T, models map[string]explore.Model) {
	for _, name := range slices.Sorted(maps.Keys(models)) {
		t.Run(name, func(t *testing.T) {
			m := models[name]
			if *exploreSchedule != "" {
				r, err := explore.Replay(m, *exploreSchedule)
				require.NoError(t, err)
				t.Log(r)
				require.NoError(t, r.Failure)
				return
			}
			m.For = *exploreFor
			begin := time.Now()
			r := explore.Explore(m)
			t.Logf("%v; %v", r, time.Since(begin).Round(time.Millisecond))
			require.NoError(t, r.Failure)
		})
	}
}

// A Mutant is a package with one mistake. That a model finds it shows what the
// models are good for.
type Mutant struct {
	Mistake string
	File    string // of the package
	Right   string // what the file has, once
	Wrong   string // what the mutant has instead
	Model   string // that finds it
	Failure string // what it says then, as a regular expression
}

// Mutants checks that each mistake is found within a minute, and tells how.
func Mutants(t *testing.T, mutants []Mutant) {
	rows := make([]string, len(mutants))
	t.Cleanup(func() {
		t.Logf("\n| mistake | found by | after schedules | as |\n|---|---|---|---|\n%s", strings.Join(rows, ""))
	})
	for i, m := range mutants {
		t.Run(m.Mistake, func(t *testing.T) {
			t.Parallel()
			output, failed := m.explore(t)
			require.True(t, failed, "%s did not find it:\n%s", m.Model, output)
			found := regexp.MustCompile(`(\d+) schedules.*failed: (.*)`).FindStringSubmatch(output)
			require.NotNil(t, found, output)
			assert.Regexp(t, m.Failure, found[2])
			rows[i] = fmt.Sprintf("| %s | %s | %s | %s |\n", m.Mistake, m.Model, found[1], found[2])
			t.Log(rows[i])
		})
	}
}

// explore runs the mutant's model, and reports what it says and whether it failed.
func (m Mutant) explore(t *testing.T) (output string, failed bool) {
	program := filepath.Join(t.TempDir(), "mutant.test")
	built, err := exec.Command("go", "test", "-tags", "explore", "-vet=off", "-overlay", m.overlay(t), "-c", "-o", program).CombinedOutput()
	require.NoError(t, err, "%s", built)
	model := "^TestExplore$/^" + strings.ReplaceAll(m.Model, "/", "$/^") + "$"
	said, err := exec.Command(program, "-test.run", model, "-test.v", "-explore.for", "1m").CombinedOutput()
	return string(said), err != nil
}

// overlay makes the file that tells the go command to read the mutant's file in
// place of the package's.
func (m Mutant) overlay(t *testing.T) string {
	dir := t.TempDir()
	source, err := os.ReadFile(m.File)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(source), m.Right), "%s has changed: what is the mistake now?", m.File)
	mutated := filepath.Join(dir, m.File)
	require.NoError(t, os.WriteFile(mutated, []byte(strings.Replace(string(source), m.Right, m.Wrong, 1)), 0o600))
	original, err := filepath.Abs(m.File)
	require.NoError(t, err)
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, list, 0o600))
	return overlay
}
