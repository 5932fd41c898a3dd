package mp

import (
	"context"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

var square = Register("test.square", func(_ context.Context, n int) (int, error) { return n * n, nil })
