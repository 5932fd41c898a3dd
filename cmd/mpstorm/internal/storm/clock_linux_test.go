package storm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABucketBoundsWhatItCounts(t *testing.T) {
	for d := time.Nanosecond; d < 20*time.Second; d = d*17/16 + 1 {
		n := bucket(d)
		require.LessOrEqual(t, d, bound(n)+1)
		require.LessOrEqual(t, float64(bound(n)), max(1.1*float64(d), float64(time.Microsecond)))
		require.Less(t, n, buckets)
	}
	require.Equal(t, buckets-1, bucket(time.Hour))
}

func TestQuantiles(t *testing.T) {
	counts := make([]int64, buckets)
	require.Zero(t, quantile(counts, .5), "of nothing")
	counts[0], counts[8], counts[16] = 50, 49, 1
	require.Equal(t, time.Microsecond, quantile(counts, .5))
	require.Equal(t, 2*time.Microsecond, quantile(counts, .51))
	require.Equal(t, 2*time.Microsecond, quantile(counts, .99))
	require.Equal(t, 4*time.Microsecond, quantile(counts, 1))
}
