package sys

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsSentArrivesBeforeTheEnd(t *testing.T) {
	a, b, err := SocketPair("pair")
	require.NoError(t, err)
	require.NoError(t, Send(a, []byte("one ")))
	require.NoError(t, Send(a, []byte("two")))
	require.NoError(t, a.Close())
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "one two", string(got))
	require.NoError(t, b.Close())
}

// A program that takes SIGPIPE for the end of its output must not be told so by us.
func TestSendingToNobodyRaisesNoSignal(t *testing.T) {
	came := make(chan os.Signal, 2)
	signal.Notify(came, syscall.SIGPIPE, syscall.SIGWINCH)
	defer signal.Stop(came)
	for _, unread := range []bool{false, true} {
		a, b, err := SocketPair("pair")
		require.NoError(t, err)
		if unread {
			require.NoError(t, Send(a, []byte("unread")))
		}
		require.NoError(t, b.Close())
		require.ErrorIs(t, Send(a, []byte("lost")), os.ErrProcessDone)
		require.NoError(t, a.Close())
		// Signals come in the order of their numbers.
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGWINCH))
		require.Equal(t, syscall.SIGWINCH, <-came)
	}
}
