// Command daemon has a heartbeat in the background: a process that works until it is
// terminated, or its parent is gone, for whatever reason.
//
// Python: Process(daemon=True) and terminate. A daemonic process there ends with a parent
// that returns, and stays behind when the parent is killed.
//
//	$ go run ./examples/daemon
//	beat 1
//	beat 2
//	beat 3
//	terminated: exit code -15
//	beat 1
//	beat 2
//	beat 3
//	its parent was killed: the heart has stopped
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

type heart struct {
	Every time.Duration
	Beats *mp.Conn[int] // the sending end of a pipe
}

var beat = mp.RegisterTask("beat", func(ctx context.Context, h heart) error {
	for n := 1; ; n++ {
		if err := program.Pause(ctx, h.Every); err != nil {
			return err
		}
		if err := h.Beats.Send(ctx, n); err != nil {
			return err
		}
	}
})

// live has a heart of its own, in a process below it.
var live = mp.RegisterTask("live", func(ctx context.Context, h heart) error {
	_, err := beat.Run(ctx, h)
	return err
})

func main() {
	mp.Init()
	every := flag.Duration("every", 10*time.Millisecond, "time between two beats")
	beats := program.Count("beats", 1, 3, "how many beats to `count` before the end")
	program.Main(func(ctx context.Context) error { return run(ctx, *every, *beats) })
}

func run(ctx context.Context, every time.Duration, beats int) error {
	daemon, _, err := start(ctx, beat, every, beats)
	if err != nil {
		return err
	}
	if err := daemon.Terminate(); err != nil {
		return err
	}
	<-daemon.Done()
	code, _ := daemon.ExitCode()
	fmt.Println("terminated: exit code", code)

	parent, pulse, err := start(ctx, live, every, beats)
	if err != nil {
		return err
	}
	if err := parent.Kill(); err != nil { // and nobody tells the heart
		return err
	}
	for err == nil { // beats that were sent before
		_, err = pulse.Recv(ctx)
	}
	if !errors.Is(err, mp.ErrPeerDied) {
		return err
	}
	fmt.Println("its parent was killed: the heart has stopped")
	return nil
}

// start starts what has a heart, and waits for some beats.
func start(ctx context.Context, f *mp.Func[heart, struct{}], every time.Duration, beats int) (*mp.Process, *mp.Conn[int], error) {
	pulse, theirs, err := mp.NewPipe[int](mp.OneWay())
	if err != nil {
		return nil, nil, err
	}
	p, err := f.Start(ctx, heart{every, theirs})
	if err != nil {
		return nil, nil, err
	}
	for range beats {
		n, err := pulse.Recv(ctx)
		if err != nil {
			return nil, nil, err
		}
		fmt.Println("beat", n)
	}
	return p, pulse, nil
}
