package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
)

func sample() *storm.Report {
	r := &storm.Report{
		Seed: 42, Procs: 3, Elapsed: 20 * time.Second, Machine: "2 CPUs", Commit: "0123456789ab", Kills: 100, Workers: 20, Mates: 3,
		Musters:    []storm.Muster{{At: time.Second, Took: 3 * time.Millisecond, Blocks: 17, Bytes: 4096}},
		Acts:       []storm.Act{{Name: "Mutex", Done: 1000, Passed: 3, Deaths: 2}},
		Recoveries: []storm.Recovery{{Name: "Mutex.Lock", Count: 9, Median: 80 * time.Microsecond, P90: time.Millisecond, P99: 2 * time.Millisecond, Max: 3 * time.Second}, {Name: "Pool"}},
	}
	for i := range 20 {
		r.Samples = append(r.Samples, storm.Sample{At: time.Duration(i) * time.Second, Done: int64(i * 1000), Kills: int64(i * 6), Bytes: 1 << 20})
	}
	return r
}

func TestTheTextHasTheFigures(t *testing.T) {
	var b bytes.Buffer
	Text(&b, sample())
	for _, want := range []string{"123 kills survived", "seed 42", "Mutex.Lock", "80 µs", "3 s", "0 violations", "0123456789ab"} {
		require.Contains(t, b.String(), want)
	}
}

func TestThePageNeedsNothingElseAndIsSafe(t *testing.T) {
	r := sample()
	r.Violations = []string{`<script>alert("hung")</script>`}
	var b bytes.Buffer
	require.NoError(t, HTML(&b, r))
	page := b.String()
	require.Equal(t, 8, strings.Count(page, "<svg"))
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "http")
	require.NotContains(t, page, "NaN")
	require.Contains(t, page, "alert(")
	require.Contains(t, page, "1 violations")
}

func TestAPageOfNothing(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, HTML(&b, &storm.Report{}))
	require.NotContains(t, b.String(), "NaN")
	require.NotContains(t, b.String(), "Inf")
	require.Contains(t, b.String(), "Nothing was violated.")
}

func TestAFileKeepsItsContentsUntilThereIsAReport(t *testing.T) {
	name := filepath.Join(t.TempDir(), "storm.html")
	old := strings.Repeat("old", 1<<20)
	require.NoError(t, os.WriteFile(name, []byte(old), 0o600))
	f, err := Open(name, "")
	require.NoError(t, err)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, old, string(b))
	require.NoError(t, f.Write(sample()))
	b, err = os.ReadFile(name)
	require.NoError(t, err)
	require.NotContains(t, string(b), "old")
}
