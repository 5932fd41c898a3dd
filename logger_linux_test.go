package mp

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// logs says what its logger would log, and what its child's would.
var logs *Func[bool, string]

func init() {
	logs = Register("test.logs", func(ctx context.Context, below bool) (string, error) {
		var enabled []string
		for _, l := range levels {
			if Logger().Enabled(ctx, l) {
				enabled = append(enabled, l.String())
			}
		}
		Logger().Error("said")
		if below {
			child, err := logs.Run(ctx, false)
			if err != nil {
				return "", err
			}
			enabled = append(enabled, child)
		}
		return strings.Join(enabled, " "), nil
	})
}

// withLogger sets a logger for the test.
func withLogger(t *testing.T, l *slog.Logger) {
	t.Helper()
	SetLogger(l)
	t.Cleanup(func() { SetLogger(nil) })
}

// _TestLogging.test_level: in all generations
func TestReferenceLoggingLevelIsInherited(t *testing.T) {
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer func() { _ = stderr.Close() }()
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "DEBUG INFO WARN ERROR DEBUG INFO WARN ERROR",
		slog.LevelInfo:  "INFO WARN ERROR INFO WARN ERROR",
		slog.LevelError: "ERROR ERROR",
	} {
		withLogger(t, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})))
		got, err := logs.Run(t.Context(), true, WithStdio(nil, nil, stderr), WithName("p"))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	text, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(text), "msg=said process=p\n"))
	require.Equal(t, 3, strings.Count(string(text), "msg=said process=p:1\n"))
}

// _TestLogging.test_enable_logging
func TestReferenceLoggingIsSilentUnlessAskedFor(t *testing.T) {
	require.False(t, Logger().Enabled(t.Context(), slog.LevelError))
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer func() { _ = stderr.Close() }()
	got, err := logs.Run(t.Context(), true, WithStdio(nil, nil, stderr))
	require.NoError(t, err)
	require.Empty(t, got)
	text, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	require.Empty(t, string(text))
}

func TestWorkersThatTakeAPlaceAreLogged(t *testing.T) {
	var text lockedBuffer
	withLogger(t, slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	p := newPool(t, 1)
	_, err := fails.Call(t.Context(), p, "exit")
	require.ErrorAs(t, err, new(*WorkerDiedError))
	eventually(t, func() bool {
		return strings.Contains(text.String(), "level=DEBUG msg=\"mp: pool's worker replaced\" name=worker-1 err=")
	}, "it is told")
	require.NoError(t, p.Close())
}

// A lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestBirthsAndDeathsAreLogged(t *testing.T) {
	var text bytes.Buffer // slog's handlers write one record at a time
	withLogger(t, slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	p, err := fails.Start(t.Context(), "exit", WithName("logged"), WithStdio(nil, nil, devNull(t)))
	require.NoError(t, err)
	require.Error(t, p.Wait(t.Context()))
	require.Contains(t, text.String(), "level=DEBUG msg=\"mp: process started\" name=logged pid=")
	require.Contains(t, text.String(), "level=DEBUG msg=\"mp: process ended\" name=logged pid=")
	require.Contains(t, text.String(), "func=test.fails code=3")
}

// _TestLogging.test_filename, of 3.13: a record is of the file that logs it
func TestReferenceLoggingTellsTheFile(t *testing.T) {
	var text bytes.Buffer
	withLogger(t, slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{AddSource: true})))
	Logger().Info("said here")
	require.Contains(t, text.String(), "logger_linux_test.go:")
}
