package testkit

import (
	"os"
	"os/exec"
	"testing"

	"github.com/edsrzf/mmap-go"
	"github.com/stretchr/testify/require"
)

func TestLeaksAreFound(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.NoError(t, file.Truncate(4096))
	tests := map[string]func(t *testing.T) (undo func()){
		"descriptor of ": func(t *testing.T) func() {
			f, err := os.Open(file.Name())
			require.NoError(t, err)
			return func() { _ = f.Close() }
		},
		"mapping of " + file.Name(): func(t *testing.T) func() {
			m, err := mmap.Map(file, mmap.RDWR, 0)
			require.NoError(t, err)
			return func() { _ = m.Unmap() }
		},
		"child ": func(t *testing.T) func() {
			c := exec.Command("cat")
			stdin, err := c.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			return func() { _, _ = stdin.Close(), c.Wait() }
		},
		"goroutine ": func(t *testing.T) func() {
			end, ended := make(chan bool), make(chan bool)
			go func() { <-end; close(ended) }()
			return func() { close(end); <-ended }
		},
	}
	for want, leak := range tests {
		t.Run(want, func(t *testing.T) {
			startPoller(t)
			before := takeStock()
			undo := leak(t)
			require.Contains(t, takeStock().since(before), want)
			undo()
			require.Empty(t, awaitNothingNew(before))
		})
	}
}
