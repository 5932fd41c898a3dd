package spin_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/spin"
	"github.com/mpgo/mp/internal/sys"
)

func TestPauseReturns(t *testing.T) {
	for _, n := range []int{math.MinInt, -1, 0, 1, 2, 1000} {
		spin.Pause(n)
	}
}

func TestSpinningTakesTwoCPUs(t *testing.T) {
	require.Equal(t, sys.NumCPU() > 1, spin.Worthwhile())
}

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		spin.Pause(1)
	}
}
