package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/bench/internal/result"
)

func TestFlagsThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"unknown row":       {[]string{"-run", "nonsense"}, "-run nonsense: no such row; there are pipe/awake, "},
		"bad expression":    {[]string{"-run", "("}, "-run: error parsing regexp"},
		"no passes":         {[]string{"-passes", "0"}, "-passes 0: there must be at least 1"},
		"negative passes":   {[]string{"-passes", "-1"}, "-passes -1: there must be at least 1"},
		"no passes, quick":  {[]string{"-quick", "-passes", "0"}, "-passes 0: there must be at least 1"},
		"no budget":         {[]string{"-budget", "0"}, "-budget 0s: it must be at least 1ms"},
		"unexpected words":  {[]string{"queue"}, `unexpected argument "queue": rows are chosen with -run`},
		"unknown flag":      {[]string{"-fast"}, "flag provided but not defined: -fast"},
		"no such folder":    {[]string{"-html", "/nowhere/page.html"}, "/nowhere/page.html: no such file or directory"},
		"a folder, no file": {[]string{"-html", os.TempDir()}, os.TempDir() + ": is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, exitUsage, run(c.args, &stdout, &stderr))
			assert.Contains(t, stderr.String(), c.says)
			assert.Empty(t, stdout.String())
		})
	}
}

func TestAReadOnlyPageIsToldBeforeAnythingIsMeasured(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, nil, 0o444))
	var stderr bytes.Buffer
	assert.Equal(t, exitUsage, run([]string{"-html", file}, &stderr, &stderr))
	assert.Contains(t, stderr.String(), "permission denied")
}

func TestQuickIsShorterUnlessToldOtherwise(t *testing.T) {
	usual, err := parseOptions(nil, t.Output())
	require.NoError(t, err)
	quick, err := parseOptions([]string{"-quick"}, t.Output())
	require.NoError(t, err)
	given, err := parseOptions([]string{"-quick", "-passes", "9", "-budget", "1s"}, t.Output())
	require.NoError(t, err)

	assert.Equal(t, usualPasses, usual.passes)
	assert.Equal(t, quickPasses, quick.passes)
	assert.Less(t, len(quick.rows), len(usual.rows))
	assert.Less(t, quick.budget, usual.budget)
	assert.Equal(t, 9, given.passes)
	assert.Equal(t, time.Second, given.budget)
}

func TestRunChoosesRows(t *testing.T) {
	o, err := parseOptions([]string{"-run", "^mutex/(alone|contended)$"}, t.Output())
	require.NoError(t, err)
	require.Len(t, o.rows, 2)
	assert.Equal(t, "mutex/alone", o.rows[0].name)
}

func TestListNamesAllRowsAndMeasuresNothing(t *testing.T) {
	var stderr bytes.Buffer
	assert.Zero(t, run([]string{"-list"}, &stderr, &stderr))
	for _, name := range rowNames() {
		assert.Contains(t, stderr.String(), name+" ")
	}
}

func TestRowsHaveNamesOfTheirOwnAndSomebodyToMeasure(t *testing.T) {
	all := contestants(new(built))
	seen := make(map[string]bool)
	for _, r := range allRows(false) {
		assert.False(t, seen[r.name], r.name)
		seen[r.name] = true
		assert.NotEmpty(t, r.title, r.name)
		assert.NotEmpty(t, r.unit.Name, r.name)
		var able []string
		for _, c := range all {
			if c.Can(r.job) {
				able = append(able, c.Name())
			}
		}
		assert.Contains(t, able, "mp", r.name)
		if r.must == nil {
			continue
		}
		switch r.must.To {
		case result.Limit:
			assert.Contains(t, able, "C", r.name)
		case result.Base:
			require.NotNil(t, r.base, r.name)
			assert.Contains(t, rowNames(), r.base.name, r.name)
		}
	}
}

func TestTheLastPointOfAFlatCurveIsComparedWithAnEarlyOne(t *testing.T) {
	rows := make(map[string]*row)
	for _, r := range allRows(false) {
		rows[r.name] = r
	}
	for last, early := range map[string]string{
		"scale/queue-capacity/1048576": "scale/queue-capacity/512",
		"scale/queue-idle/64":          "scale/queue-idle/1",
		"scale/queue-idle-used/64":     "scale/queue-idle-used/1",
	} {
		require.Contains(t, rows, last)
		assert.Equal(t, &base{early, rows[early].job}, rows[last].base, last)
		assert.Equal(t, result.TimesBase(0.5), rows[last].must, last)
		assert.Nil(t, rows[early].must, early)
	}
	assert.Nil(t, rows["scale/queue-processes/64"].must, "its CPUs are shared by ever more")
}

func TestOnlyTheLimitStandsBesideAQueueWithBystanders(t *testing.T) {
	job := oneToOne
	job.Bystanders = 1
	for _, c := range contestants(new(built)) {
		assert.Equal(t, c.Kind() == result.Ours && c.Can(oneToOne) || c.Kind() == result.Limit, c.Can(job), c.Name())
	}
}
