package mp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// A finale tells a process how to end, and where its exit hooks say so.
type finale struct {
	How  string
	Said *Queue[string]
}

var endsSomehow = Register("test.endsSomehow", func(ctx context.Context, in finale) (int, error) {
	say := func(what string) func() {
		return func() { _ = in.Said.Put(context.Background(), what) }
	}
	AtExit(say("first"))
	AtExit(func() { panic("in a hook") })
	AtExit(func() { runtime.Goexit() })
	AtExit(func() { AtExit(say("late")) })
	AtExit(say("last"))
	switch in.How {
	case "error":
		return 0, os.ErrNotExist
	case "panic":
		panic("alas")
	case "exit":
		os.Exit(3)
	case "kill":
		killProcess(os.Getpid())
		select {}
	case "cancelled":
		say("ready")()
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 1, nil
})

// hooks is what the exit hooks have said.
func hooks(said *Queue[string]) (all []string) {
	for s, err := said.TryGet(); err == nil; s, err = said.TryGet() {
		all = append(all, s)
	}
	return all
}

// _TestAtExit.test_atexit, of 3.13, and _TestFinalize.test_finalize
func TestReferenceExitHooksRunLastFirst(t *testing.T) {
	ctx := t.Context()
	said, err := NewQueue[string](10)
	require.NoError(t, err)
	for how, code := range map[string]int{"return": 0, "error": 1, "panic": 2} {
		p, err := endsSomehow.Start(ctx, finale{how, said}, WithStdio(nil, nil, devNull(t)))
		require.NoError(t, err)
		_ = p.Wait(ctx)
		got, _ := p.ExitCode()
		require.Equal(t, code, got, how)
		require.Equal(t, []string{"last", "late", "first"}, hooks(said), how)
	}
	for _, how := range []string{"exit", "kill"} {
		_, err := endsSomehow.Run(ctx, finale{how, said})
		require.Error(t, err)
		require.Empty(t, hooks(said), "%s leaves no time", how)
	}
	cancelled, cancel := context.WithCancel(ctx)
	p, err := endsSomehow.Start(cancelled, finale{"cancelled", said}, WithStdio(nil, nil, devNull(t)), WithGrace(hangs))
	require.NoError(t, err)
	_, err = said.Get(ctx)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, p.Wait(ctx), context.Canceled)
	require.Equal(t, []string{"last", "late", "first"}, hooks(said))

	n, err := endsSomehow.Run(ctx, finale{"return", said}, WithStdio(nil, nil, devNull(t)))
	require.NoError(t, err, "a hook cannot spoil a result")
	require.Equal(t, 1, n)
}

// A worker's hooks run when its pool dismisses it.
func TestExitHooksOfWorkersRunWhenThePoolIsClosed(t *testing.T) {
	said, err := NewQueue[string](20)
	require.NoError(t, err)
	pool := newPool(t, 1, WithPoolGrace(hangs))
	for range 3 {
		_, err := addsHook.Call(t.Context(), pool, said)
		require.NoError(t, err)
	}
	require.Empty(t, hooks(said))
	require.NoError(t, pool.Close())
	require.Equal(t, []string{"bye", "bye", "bye"}, hooks(said))
}

var addsHook = Register("test.addsHook", func(_ context.Context, said *Queue[string]) (int, error) {
	AtExit(func() { _ = said.Put(context.Background(), "bye") })
	return 0, nil
})

// _TestFinalize.test_thread_safety
func TestReferenceExitHooksAreAddedByManyAtOnce(t *testing.T) {
	n, err := addsManyHooks.Run(t.Context(), 200)
	require.NoError(t, err)
	require.Equal(t, 200, n)
}

var addsManyHooks = Register("test.addsManyHooks", func(_ context.Context, n int) (int, error) {
	var all sync.WaitGroup
	ran := make(chan bool, n)
	for range n {
		all.Go(func() { AtExit(func() { ran <- true }) })
	}
	runExitHooks() // while they are being added
	all.Wait()
	for f := lastExitHook(); f != nil; f = lastExitHook() {
		f()
	}
	for range n {
		<-ran
	}
	return n, nil
})

var hooksToFile = Register("test.hooksToFile", func(ctx context.Context, file string) (int, error) {
	AtExit(func() { select {} }) // is cut off
	AtExit(func() { _ = os.WriteFile(file, []byte(context.Cause(ctx).Error()), 0o600) })
	fmt.Println("ready")
	select {} // it looks at nothing
})

func init() {
	scripts["orphansWithHooks"] = func(p *testkit.Peer) {
		Init()
		for _, file := range os.Args[1:] {
			if _, err := hooksToFile.Start(context.Background(), file); err != nil {
				p.Say(err)
			}
		}
		p.Hear()
	}
}

// The parent is killed, and the function does not end: the hooks have their moment,
// and then the process is gone.
func TestExitHooksOfAnOrphanRun(t *testing.T) {
	testkit.LeakCheck(t)
	untilTold(t, func() bool {
		file := filepath.Join(t.TempDir(), "hook")
		cmd := testkit.Command("orphansWithHooks")
		cmd.Args = append(cmd.Args, file)
		c := testkit.Begin(t, cmd)
		require.Equal(t, "ready", c.Hear())
		require.NoError(t, c.Cmd.Process.Kill())
		require.Error(t, c.Wait(), "until the orphan, too, has closed its standard output")
		text, err := os.ReadFile(file)
		return err == nil && string(text) == ErrParentDied.Error()
	})
}
