package mp

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
)

// chosenLogger is what SetLogger was called with, or nil.
var chosenLogger atomic.Pointer[slog.Logger]

var silent = slog.New(slog.DiscardHandler)

// SetLogger makes the library say what it does with processes, at slog.LevelDebug:
// births and deaths, and the places in pools that others take. It says nothing by
// default, or with nil.
//
// Processes that are started from now on log at the same level, as text to their
// standard error, and those that they start; unless their program calls SetLogger,
// too, before Init or later. Python: get_logger and log_to_stderr.
func SetLogger(l *slog.Logger) { chosenLogger.Store(l) }

// Logger is the logger of SetLogger, or one that is silent. A function can use it to
// log with its parent's level. Python: get_logger.
func Logger() *slog.Logger {
	if l := chosenLogger.Load(); l != nil {
		return l
	}
	return silent
}

// levels are asked for, the least first.
var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// logLevel is the least level that is logged here, empty if none is.
func logLevel() string {
	for _, l := range levels {
		if Logger().Enabled(context.Background(), l) {
			return l.String()
		}
	}
	return ""
}

// inheritLog makes this process, a child, log as its parent does.
func inheritLog(level string) {
	var l slog.Level
	if level == "" || l.UnmarshalText([]byte(level)) != nil {
		return
	}
	h := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})
	chosenLogger.CompareAndSwap(nil, slog.New(h).With("process", self.info.Name))
}
