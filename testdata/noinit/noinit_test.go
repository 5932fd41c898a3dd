package noinit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/mpgo/mp"
)

// Each process that runs this program leaves a line in a file.
func init() {
	f, err := os.OpenFile(os.Getenv("NOINIT_STARTS"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	defer func() { _ = f.Close() }()
	_, _ = f.WriteString("started\n")
}

var double = mp.Register("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

func TestStartingIsRefused(t *testing.T) {
	ctx := t.Context()
	starts := map[string]func() error{
		"Start":   func() error { _, err := double.Start(ctx, 1); return err },
		"Run":     func() error { _, err := double.Run(ctx, 1); return err },
		"NewPool": func() error { _, err := mp.NewPool(ctx, 2); return err },
	}
	for what, start := range starts {
		if err := start(); !errors.Is(err, mp.ErrNotInitialized) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if mp.IsChild() || len(mp.ActiveChildren()) != 0 {
		t.Error("a child")
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		if pids, _ := os.ReadFile(list); len(pids) > 0 {
			t.Errorf("children: %s", pids)
		}
	}
}

func TestObjectsNeedNoInit(t *testing.T) {
	v, err := mp.NewValue(3)
	if err != nil || v.Load() != 3 {
		t.Error(v, err)
	}
}

// A test that calls Init by itself, too late to keep its children from running the
// tests before it.
func TestZLateInit(t *testing.T) {
	if os.Getenv("NOINIT_LATE") == "" {
		t.Skip("only when asked for")
	}
	mp.Init()
	n, err := double.Run(t.Context(), 21)
	if err != nil || n != 42 {
		t.Error(n, err)
	}
}
