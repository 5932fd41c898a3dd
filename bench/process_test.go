package main

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/bench/internal/side"
)

// shell is a side that is written in shell.
func shell(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

func TestASideSaysItsSample(t *testing.T) {
	sample, err := measureSide(t.Context(), shell(`echo '{"figure": 12.5, "p99": 20, "count": 3}'`), hangs)
	require.NoError(t, err)
	assert.Equal(t, 12.5, sample.Figure)
	assert.Equal(t, 20.0, sample.P99)
}

func TestASideThatFails(t *testing.T) {
	for name, c := range map[string]struct{ script, says string }{
		"code":  {"echo why >&2; exit 1", "exit status 1: why"},
		"crash": {"printf 'panic: oh\n\ngoroutine 1:\n\tmain.go:1\n' >&2; exit 2", "exit status 2: panic: oh"},
		"kill":  {"kill -9 $$", "signal: killed"},
		"mute":  {"true", "no sample in"},
		"words": {"echo hello", `no sample in "hello\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := measureSide(t.Context(), shell(c.script), hangs)
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func TestASideThatCannotSaysWhy(t *testing.T) {
	_, err := measureSide(t.Context(), shell("echo it is not Tuesday >&2; exit 3"), hangs)
	assert.Equal(t, side.Missing("it is not Tuesday"), err)
}

func TestASideThatHangsIsEndedWithAllItStarted(t *testing.T) {
	_, err := measureSide(t.Context(), shell("sleep 1000 & sleep 1000"), 50*time.Millisecond)
	assert.ErrorContains(t, err, "it had not ended after 50ms")
}

func TestWhatASideLeavesBehindIsEnded(t *testing.T) {
	require.NoError(t, adoptOrphans())
	sample, err := measureSide(t.Context(), shell(`sleep 1000 & echo '{"figure": 1}'`), hangs)
	require.NoError(t, err) // it would not return before the sleeper is gone
	assert.Equal(t, 1.0, sample.Figure)
}

func TestASideEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := measureSide(ctx, shell("sleep 1000"), hangs)
	assert.ErrorIs(t, err, context.Canceled)
}
