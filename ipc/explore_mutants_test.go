//go:build explore

package ipc

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A mutant is this package with one mistake. That the models find it shows what
// they are good for.
type mutant struct {
	mistake string
	file    string
	right   string // what the file has, once
	wrong   string // what the mutant has instead
	model   string // that finds it
	failure string // what it says then, as a regular expression
}

var mutants = []mutant{
	{
		mistake: "drop the epoch check", file: "wait.go", model: "mutex/two", failure: "deadlock",
		right: "{Word: word, Val: seen}, {Word: g.epoch, Val: epoch}, {Word: &g.bell, Val: bell}}",
		wrong: "{Word: word, Val: seen}, {Word: &g.bell, Val: bell}}\n\t\t_ = epoch",
	}, {
		mistake: "wake before publish", file: "news.go", model: "boundedsemaphore", failure: "deadlock",
		right: "if n.word.CompareAndSwap(v, (v+1)&^waiters) {\n\t\t\tfutex.Wake(&n.word, count)",
		wrong: "if futex.Wake(&n.word, count); n.word.CompareAndSwap(v, (v+1)&^waiters) {",
	}, {
		mistake: "skip the lease scan", file: "ring_get.go", model: "lease/get", failure: "message|on lease",
		right: "if leases != nil && c.ring.lender.lent(",
		wrong: "if false && c.ring.lender.lent(",
	}, {
		mistake: "free the cell before the copy", file: "ring_get.go", model: "ring/two producers", failure: "message|got",
		right: "buf = append(buf, msg...)\n\tt.Release()",
		wrong: "t.Release()\n\tbuf = append(buf, msg...)",
	}, {
		mistake: "take over on the hint alone", file: "ring_get.go", model: "ring/one each", failure: "lost|cells can be used",
		right: "case !ownerDead(c.ring.d, ownerOf(state)):",
		wrong: "case c.head.Load() != pos: // so it is behind head, and must be a dead one's",
	}, {
		mistake: "forget to help tail", file: "ring_put.go", model: "ring/two producers", failure: "cells can be used",
		right: "return c.help(c.tail, pos, ahead)",
		wrong: "return ErrFull",
	}, {
		mistake: "forget WAITERS on re-acquire", file: "mutexstate.go", model: "mutex/three", failure: "deadlock",
		right: "p.as = p.m.me | waiters",
		wrong: "p.as = p.m.me",
	}, {
		mistake: "reuse a generation", file: "lease.go", model: "lease", failure: "is so again",
		right: "CompareAndSwap(l.state, passed(l.state)) {",
		wrong: "CompareAndSwap(l.state, l.state&lapMask) {",
	}, {
		mistake: "do not look again for what the dead had written", file: "spsc_reader.go", model: "stream", failure: "the end after",
		right: "if tail = r.m.tail.Load(); tail == r.head { // what it published before",
		wrong: "if ending != ErrEmpty {\n\t\t\treturn ending\n\t\t}\n\t\tif tail = r.m.tail.Load(); tail == r.head {",
	}, {
		mistake: "say that it is done before it is", file: "once.go", model: "once", failure: "done",
		right: "if err := f(); err != nil {\n\t\t\treturn err\n\t\t}\n\t\to.lock.edge.release()\n\t\to.state.done.Store(1) // observed by Done",
		wrong: "o.state.done.Store(1)\n\t\tif err := f(); err != nil {\n\t\t\treturn err\n\t\t}",
	}, {
		mistake: "use up the wake-up of all", file: "boundedsemaphore.go", model: "boundedsemaphore", failure: "deadlock",
		right: "p.s.head.freed.pass()",
		wrong: "_ = p",
	}, {
		mistake: "look for the writer before entering", file: "rwmutex.go", model: "rwmutex", failure: "readers at a time",
		right: "\tr.add()\n\tif r.s.writer.word.Load() == 0 {\n\t\treturn true\n\t}",
		wrong: "\tr.add()\n\tif true {\n\t\treturn true\n\t}",
	}, {
		mistake: "end a round without news", file: "barrier.go", model: "barrier", failure: "deadlock",
		right: "return ErrBrokenBarrier\n\t}\n\tb.state.changed.publish(everybody)\n\treturn nil",
		wrong: "return ErrBrokenBarrier\n\t}\n\treturn nil",
	},
}

func TestMutants(t *testing.T) {
	rows := make([]string, len(mutants))
	t.Cleanup(func() {
		t.Logf("\n| mistake | found by | after schedules | as |\n|---|---|---|---|\n%s", strings.Join(rows, ""))
	})
	for i, m := range mutants {
		t.Run(m.mistake, func(t *testing.T) {
			t.Parallel()
			output, failed := m.explore(t)
			require.True(t, failed, "%s did not find it:\n%s", m.model, output)
			found := regexp.MustCompile(`(\d+) schedules.*failed: (.*)`).FindStringSubmatch(output)
			require.NotNil(t, found, output)
			assert.Regexp(t, m.failure, found[2])
			rows[i] = fmt.Sprintf("| %s | %s | %s | %s |\n", m.mistake, m.model, found[1], found[2])
		})
	}
}

// explore runs the mutant's model, and reports what it says and whether it failed.
func (m mutant) explore(t *testing.T) (output string, failed bool) {
	dir := t.TempDir()
	source, err := os.ReadFile(m.file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(source), m.right), "%s has changed: what is the mistake now?", m.file)
	mutated := filepath.Join(dir, m.file)
	require.NoError(t, os.WriteFile(mutated, []byte(strings.Replace(string(source), m.right, m.wrong, 1)), 0o600))
	original, err := filepath.Abs(m.file)
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	program := filepath.Join(dir, "mutant.test")
	built, err := exec.Command("go", "test", "-tags", "explore", "-vet=off", "-overlay", list, "-c", "-o", program).CombinedOutput()
	require.NoError(t, err, "%s", built)
	run := exec.Command(program, "-test.run", "^TestExplore$/^"+strings.ReplaceAll(m.model, "/", "$/^")+"$", "-test.v", "-explore.for", "1m")
	said, err := run.CombinedOutput()
	return string(said), err != nil
}
