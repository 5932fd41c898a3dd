package mp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/spin"
)

type line [64]byte

type benchArg struct {
	End *Conn[line]
	N   int
}

// A pace is how long a message takes: the median of many slices, so that the
// machine's other work does not count.
type pace struct {
	n      int
	begin  time.Time
	slices []float64
}

const paceSlice = 2048

func (p *pace) step() {
	if p.n%paceSlice == 0 {
		now := time.Now()
		if p.n > 0 {
			p.slices = append(p.slices, float64(now.Sub(p.begin))/paceSlice)
		}
		p.begin = now
	}
	p.n++
}

func (p *pace) median() float64 {
	slices.Sort(p.slices)
	if len(p.slices) == 0 {
		return 0
	}
	return p.slices[len(p.slices)/2]
}

var benchReceives = Register("test.benchReceives", func(ctx context.Context, in benchArg) (float64, error) {
	var p pace
	sum := 0
	if _, err := in.End.Recv(ctx); err != nil {
		return 0, err
	}
	for range in.N {
		m, err := in.End.Recv(ctx)
		if err != nil {
			return 0, err
		}
		sum += int(m[0])
		p.step()
	}
	return p.median(), nil
})

var benchEchoes = Register("test.benchEchoes", func(ctx context.Context, in benchArg) (float64, error) {
	for range in.N {
		m, err := in.End.Recv(ctx)
		if err != nil {
			return 0, err
		}
		if err := in.End.Send(ctx, m); err != nil {
			return 0, err
		}
	}
	return 0, nil
})

// pin keeps a process on one CPU until it is let go, where there is taskset and a
// second CPU. Processes that are started meanwhile would believe that there is one.
func pin(pid, cpu int) (letGo func()) {
	spin.Worthwhile() // found out before
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return func() {}
	}
	set := func(cpus string) { _ = exec.Command(taskset, "-a", "-c", "-p", cpus, strconv.Itoa(pid)).Run() }
	set(strconv.Itoa(cpu))
	return func() { set(fmt.Sprintf("0-%d", runtime.NumCPU()-1)) }
}

// The row "Pipe one way" of the targets, through the typed interface.
func BenchmarkConnProcesses(b *testing.B) {
	ctx := context.Background()
	x, y, err := NewPipe[line](WithPipeCapacity(1 << 18))
	require.NoError(b, err)
	result := make(chan float64)
	go func() {
		r, err := benchReceives.Run(ctx, benchArg{y, b.N})
		require.NoError(b, err)
		result <- r
	}()
	require.NoError(b, x.Send(ctx, line{}))
	for _, p := range ActiveChildren() {
		pin(p.PID(), 1)
	}
	defer pin(os.Getpid(), 0)()
	b.ResetTimer()
	var m [16]line // a CPU that copies what it has just stored in smaller pieces waits for the store
	for i := range b.N {
		m[(i+8)%16][0] = byte(i + 8)
		if err := x.Send(ctx, m[i%16]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(<-result, "ns/msg")
	require.NoError(b, x.Close())
}

// The row "Pipe round trip", through the typed interface.
func BenchmarkConnRoundTrip(b *testing.B) {
	ctx := context.Background()
	x, y, err := NewPipe[line]()
	require.NoError(b, err)
	p, err := benchEchoes.Start(ctx, benchArg{y, b.N + 1})
	require.NoError(b, err)
	// Before they are pinned, so that both find out that there is a second CPU.
	require.NoError(b, x.Send(ctx, line{}))
	_, err = x.Recv(ctx)
	require.NoError(b, err)
	pin(p.PID(), 1)
	defer pin(os.Getpid(), 0)()
	var m line
	var times pace
	b.ResetTimer()
	for range b.N {
		if err := x.Send(ctx, m); err != nil {
			b.Fatal(err)
		}
		if _, err := x.Recv(ctx); err != nil {
			b.Fatal(err)
		}
		times.step()
	}
	b.ReportMetric(times.median(), "ns/trip")
	require.NoError(b, p.Wait(ctx))
	require.NoError(b, x.Close())
}

func BenchmarkConnAlone(b *testing.B) {
	x, y, err := NewPipe[line]()
	require.NoError(b, err)
	ctx := context.Background()
	var m line
	for b.Loop() {
		_ = x.Send(ctx, m)
		_, _ = y.Recv(ctx)
	}
	require.NoError(b, x.Close())
	require.NoError(b, y.Close())
}
