package mp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// fallsOver fails in ways that a function can.
var fallsOver = Register("test.fallsOver", func(_ context.Context, how string) (int, error) {
	switch how {
	case "error value":
		panic(fmt.Errorf("wrapped: %w", fs.ErrNotExist))
	case "number":
		panic(42)
	case "nil":
		panic(nil)
	case "index":
		return []int{}[len(how)], nil
	case "elsewhere":
		done := make(chan bool)
		go func() {
			defer close(done)
			deepInside()
		}()
		<-done
		select {}
	case "goexit":
		runtime.Goexit()
	case "deep":
		deepInside()
	}
	return 0, nil
})

//go:noinline
func deepInside() { panic("deep inside") }

func TestAPanicComesBackWithItsStack(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	for how, value := range map[string]string{
		"error value": "wrapped: file does not exist",
		"number":      "42",
		"nil":         "panic called with nil",
		"index":       "index out of range [5] with length 0",
		"deep":        "deep inside",
	} {
		p, err := fallsOver.Start(ctx, how)
		require.NoError(t, err)
		for what, call := range map[string]operation{
			"Run":  func() error { _, err := fallsOver.Run(ctx, how); return err },
			"Wait": func() error { return p.Wait(ctx) },
			"Call": func() error { _, err := fallsOver.Call(ctx, pool, how); return err },
			"Map":  func() error { _, err := fallsOver.Map(ctx, pool, []string{how}); return err },
		} {
			err := call()
			var panicked *PanicError
			require.ErrorAs(t, err, &panicked, "%s %s", what, how)
			require.Equal(t, "test.fallsOver", panicked.Func)
			require.Contains(t, panicked.Value, value)
			require.Contains(t, panicked.Stack, "crash_test.go", what)
			if how == "deep" {
				require.Contains(t, panicked.Stack, "deepInside")
			}
			require.ErrorContains(t, err, panicked.Stack, "what people see has it, too")
		}
		code, exited := p.ExitCode()
		require.True(t, exited)
		require.Equal(t, 2, code, "as of a Go program that panics")
	}
	require.Equal(t, 1, pool.Stats().Started, "a panic is the function's affair")
}

func TestAPanicInAnotherGoroutineIsACrash(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	_, err := fallsOver.Run(ctx, "elsewhere")
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.Code)
	require.Contains(t, exit.Crash, "panic: deep inside")
	require.Contains(t, exit.Crash, "crash_test.go")
	_, err = fallsOver.Call(ctx, pool, "elsewhere")
	var died *WorkerDiedError
	require.ErrorAs(t, err, &died)
	require.Contains(t, died.Stderr, "panic: deep inside")
	require.Contains(t, died.Stderr, "deepInside")
	require.ErrorContains(t, err, "deep inside")
}

func TestAFunctionThatEndsItsGoroutineHasAnError(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	_, err := fallsOver.Run(ctx, "goexit")
	require.ErrorContains(t, err, "Goexit")
	_, err = fallsOver.Call(ctx, pool, "goexit")
	require.ErrorContains(t, err, "Goexit")
}

func TestErrorsKeepWhatTheyAre(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	for _, is := range wellKnown {
		_, err := returns.Call(ctx, pool, is.Error())
		require.ErrorIs(t, err, is)
		require.ErrorContains(t, err, "in another process: "+is.Error())
	}
	_, err := returns.Call(ctx, pool, "unheard-of")
	var remote *RemoteError
	require.ErrorAs(t, err, &remote)
	for _, is := range wellKnown {
		require.False(t, errors.Is(err, is), is)
	}
}

// returns the well-known error of that text.
var returns = Register("test.returns", func(_ context.Context, text string) (int, error) {
	for _, err := range wellKnown {
		if err.Error() == text {
			return 0, fmt.Errorf("in another process: %w", err)
		}
	}
	return 0, errors.New(text)
})
