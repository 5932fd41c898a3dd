package keeper

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

// A stand is a keeper whose goroutine runs when the test says so, and its door.
type stand struct {
	*keeper
	*Door
	unwanted map[Key]bool // written while the keeper rests
	done     chan struct{}
}

func newStand(t testing.TB) *stand {
	t.Helper()
	testkit.LeakCheck(t)
	in, out, err := sys.MailSockets("keeper")
	require.NoError(t, err)
	s := &stand{unwanted: make(map[Key]bool), done: make(chan struct{})}
	s.keeper = &keeper{wanted: func(k Key) bool { return !s.unwanted[k] }, inbox: in, kept: make(map[Key]sys.Descriptor)}
	s.Door = NewDoor(out)
	t.Cleanup(func() { _ = s.Door.file.Close() })
	return s
}

// work has the keeper's goroutine begin.
func (s *stand) work(t testing.TB) {
	s.restock()
	go func() {
		defer close(s.done)
		s.serve()
	}()
	t.Cleanup(s.die)
}

// die ends the keeper.
func (s *stand) die() {
	_ = s.inbox.Close()
	<-s.done
}

// newKeeper is a stand that works.
func newKeeper(t testing.TB) *stand {
	t.Helper()
	s := newStand(t)
	s.work(t)
	return s
}

// text is a file with so many bytes in it.
func text(t testing.TB, content string) *os.File {
	t.Helper()
	f, err := sys.Scratch("text")
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteString(content)
	require.NoError(t, err)
	_, err = f.Seek(0, 0)
	require.NoError(t, err)
	return f
}

// number is a key.
func number(n byte) Key { return Key{0: n} }
