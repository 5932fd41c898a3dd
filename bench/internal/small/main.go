// Command small is the program whose start is measured: it is about as large as the
// smallest program that uses mp. The bench builds it when it runs.
//
//	small exit             ends at once
//	small hello            says a line and ends
//	small side NAME JOB    measures
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

var greet = mp.Register("greet", func(ctx context.Context, answer *mp.Event) (struct{}, error) {
	return struct{}{}, answer.Set()
})

func main() {
	if len(os.Args) == 2 && os.Args[1] == "exit" {
		return
	}
	mp.Init()
	if len(os.Args) == 2 && os.Args[1] == "hello" {
		fmt.Println("hello")
		return
	}
	code, _ := side.Play(os.Args[1:], map[string]side.Works{
		"mp":      {side.Start: start},
		"os/exec": {side.Start: startPlain},
	}, nil)
	os.Exit(code)
}

// start is from Start until the child has set an event.
func start(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	answer, err := mp.NewEvent()
	if err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		begin := time.Now()
		p, err := greet.Start(ctx, answer)
		if err != nil {
			return 0, err
		}
		if err := answer.Wait(ctx); err != nil {
			return 0, err
		}
		took := time.Since(begin)
		if err := answer.Clear(); err != nil {
			return 0, err
		}
		return took, p.Wait(ctx)
	})
}

// startPlain is from starting this program until it has said its line.
func startPlain(job side.Job) (side.Sample, error) {
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		begin := time.Now()
		cmd := exec.Command("/proc/self/exe", "hello")
		out, err := cmd.StdoutPipe()
		if err != nil {
			return 0, err
		}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		_, err = bufio.NewReader(out).ReadString('\n')
		took := time.Since(begin)
		if err != nil {
			return 0, err
		}
		return took, cmd.Wait()
	})
}
