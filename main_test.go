package mp

import (
	"context"
	"os"
	"testing"

	"github.com/mpgo/mp/internal/testkit"
)

func TestMain(m *testing.M) {
	if IsChild() && os.Getenv("MP_TEST_DIE_EARLY") != "" {
		os.Exit(4)
	}
	beforeInit()
	testkit.Play(scripts) // before Init: a script may be a program that forgets it
	Init()
	os.Exit(m.Run())
}

var square = Register("test.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

// beforeInit is what a test wants done in a child before it is one.
var beforeInit = func() {}
