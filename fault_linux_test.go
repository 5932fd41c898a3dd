package mp

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
)

// faults are the ways in which user's code in a process comes to grief.
var faults = map[string]func() error{
	"error": func() error { return fmt.Errorf("no luck: %w", os.ErrNotExist) },
	"panic": func() error { panic("alas") },
	"goexit": func() error {
		runtime.Goexit()
		return nil
	},
	"exit 3": func() error {
		os.Exit(3)
		return nil
	},
	"exit 0": func() error {
		os.Exit(0)
		return nil
	},
	"map race": func() error {
		m := map[int]int{}
		for range 2 {
			go func() {
				for {
					m[1] = 1
				}
			}()
		}
		select {}
	},
	"stack overflow": func() error {
		debug.SetMaxStack(1 << 20)
		return fmt.Errorf("%d", overflow(1))
	},
	"bad address": func() error {
		mem, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		return fmt.Errorf("%d", mem[0])
	},
	"SIGSEGV": func() error { return signalSelf(syscall.SIGSEGV) },
	"SIGKILL": func() error { return signalSelf(syscall.SIGKILL) },
	"SIGTERM": func() error { return signalSelf(syscall.SIGTERM) },
	"SIGINT":  func() error { return signalSelf(syscall.SIGINT) },
	"memory": func() error {
		for hoard := [][]byte{}; ; {
			hoard = append(hoard, slices.Repeat([]byte{1}, 1<<20))
		}
	},
}

// overflow needs more stack than there is.
func overflow(n int) int {
	if n == 0 {
		return 0
	}
	return overflow(n+1) + 1
}

func signalSelf(sig syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		return err
	}
	select {}
}

// A grief is an argument, and a result, that fails in some phase of a call.
type grief struct {
	Phase string
	Fault string
}

// Phases of a call in another process.
var phases = []string{"decoding the argument", "in the function", "encoding the result"}

func (g grief) strike(phase string) error {
	if g.Phase != phase {
		return nil
	}
	return faults[g.Fault]()
}

// A given is grief that may strike on its arrival.
type given struct{ grief }

// A taken is grief that may strike on its way back.
type taken struct{ grief }

func (g given) MarshalCBOR() ([]byte, error) { return cbor.Marshal(g.grief) }

func (g *given) UnmarshalCBOR(b []byte) error {
	if err := cbor.Unmarshal(b, &g.grief); err != nil {
		return err
	}
	return g.strike(phases[0])
}

func (g taken) MarshalCBOR() ([]byte, error) {
	if err := g.strike(phases[2]); err != nil {
		return nil, err
	}
	return cbor.Marshal(g.grief)
}

func (g *taken) UnmarshalCBOR(b []byte) error { return cbor.Unmarshal(b, &g.grief) }

var grieves = Register("test.grieves", func(_ context.Context, g given) (taken, error) {
	return taken(g), g.strike(phases[1])
})

const memoryLimit = 64 << 20

// requireFault checks that err is exactly what a fault in a process comes to.
func requireFault(t *testing.T, fault, phase string, p *Process, err error) {
	t.Helper()
	want := faultExits[fault]
	var exit *ExitError
	var remote *RemoteError
	var panicked *PanicError
	switch {
	case fault == "panic" && phase == phases[0]:
		// Bytes that make their decoder panic are an error, in every process.
		require.ErrorAs(t, err, &remote)
		require.Contains(t, remote.Message, "decoding panicked: alas")
		want.code = 1
	case fault == "error":
		require.ErrorAs(t, err, &remote)
		require.ErrorIs(t, err, os.ErrNotExist)
		require.Contains(t, remote.Message, "no luck")
		require.Equal(t, "test.grieves", remote.Func)
	case fault == "goexit":
		require.ErrorAs(t, err, &remote)
		require.Contains(t, remote.Message, "runtime.Goexit")
	case fault == "panic":
		require.ErrorAs(t, err, &panicked)
		require.Equal(t, "alas", panicked.Value)
		require.Equal(t, "test.grieves", panicked.Func)
		require.Contains(t, panicked.Stack, "fault_linux_test.go")
	default:
		require.ErrorAs(t, err, &exit)
		require.Equal(t, "test.grieves", exit.Func)
		require.Positive(t, exit.PID)
		require.NotEmpty(t, exit.Name)
		require.Equal(t, want.code, exit.Code, "%v", err)
		require.Equal(t, want.signal, exit.Signal)
		head := exit.Crash[:min(300, len(exit.Crash))]
		require.Equal(t, fault == "memory", exit.OOM, head)
		require.True(t, strings.Contains(exit.Crash, want.crash), head)
		require.Equal(t, want.crash == "", exit.Crash == "", head)
		require.ErrorContains(t, err, want.message)
	}
	if p != nil {
		code, exited := p.ExitCode()
		require.True(t, exited)
		require.Equal(t, want.code, code)
	}
}

var faultExits = map[string]struct {
	code    int
	signal  syscall.Signal
	crash   string // something in the crash's text; empty: there is none
	message string // something in the error's
}{
	"error":          {code: 1},
	"panic":          {code: 2},
	"goexit":         {code: 1},
	"exit 3":         {code: 3, message: "exited with code 3"},
	"exit 0":         {code: 0, message: "exited with code 0"},
	"map race":       {code: 2, crash: "fatal error: concurrent map ", message: "fatal error: concurrent map "},
	"stack overflow": {code: 2, crash: "fatal error: stack overflow", message: "stack overflow"},
	"bad address":    {code: 2, crash: "[signal SIGSEGV: segmentation violation", message: "fatal error: fault"},
	"SIGSEGV":        {code: 2, crash: "SIGSEGV: segmentation violation", message: "SIGSEGV"},
	"SIGKILL":        {code: -9, signal: syscall.SIGKILL, message: "killed by signal 9 (killed)"},
	"SIGTERM":        {code: -15, signal: syscall.SIGTERM, message: "killed by signal 15 (terminated)"},
	"SIGINT":         {code: -2, signal: syscall.SIGINT, message: "killed by signal 2 (interrupt)"},
	"memory":         {code: 2, crash: "runtime.", message: "out of memory"},
}

// Each fault in each phase, of a process that is started and waited for and of one
// that is run, is exactly the right error.
func TestEveryFaultOfAProcessIsTheRightError(t *testing.T) {
	requireNoLeak(t)
	ctx, null := t.Context(), devNull(t)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tphase\terror of Wait")
	for fault := range faultExits {
		if race.Enabled && fault == "memory" {
			continue // the detector's own memory is far beyond the limit
		}
		for _, phase := range phases {
			g := given{grief{phase, fault}}
			opts := []ProcessOption{WithStdio(nil, nil, null)}
			if fault == "memory" {
				opts = append(opts, WithMemoryLimit(memoryLimit))
			}
			p, err := grieves.Start(ctx, g, opts...)
			require.NoError(t, err)
			err = p.Wait(ctx)
			if fault == "exit 0" {
				require.NoError(t, err, "it ended well")
			} else {
				requireFault(t, fault, phase, p, err)
			}
			_, runErr := grieves.Run(ctx, g, opts...)
			requireFault(t, fault, phase, nil, runErr)
			fmt.Fprintf(w, "%s\t%s\t%s\n", fault, phase, firstLine(err))
		}
	}
	require.NoError(t, w.Flush())
	t.Log("\n" + table.String())
}

func firstLine(err error) string {
	if err == nil {
		return "nil"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// noisy prints by the same means as the Go runtime, and crashes.
var noisy = Register("test.noisy", func(_ context.Context, n int) (int, error) {
	for i := range n {
		println("noise", i)
	}
	return 0, faults["map race"]()
})

func TestACrashsTextBeginsWithWhatItWas(t *testing.T) {
	for _, n := range []int{0, 1, 1000} {
		_, err := noisy.Run(t.Context(), n, WithStdio(nil, nil, devNull(t)))
		var exit *ExitError
		require.ErrorAs(t, err, &exit)
		require.Regexp(t, `^fatal error: concurrent map `, exit.Crash)
	}
}

// devNull swallows the text of crashes that are meant to happen.
func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}
