package main

import (
	"bufio"
	"os/exec"
	"time"

	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// startHello is from starting this program until it has said its line.
func startHello(job side.Job) (side.Sample, error) {
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		begin := time.Now()
		cmd := exec.Command("/proc/self/exe", hello)
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
