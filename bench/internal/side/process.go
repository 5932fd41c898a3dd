package side

import (
	"bufio"
	"io"
	"os"
	"os/exec"
)

// A Process is the second process of a side: this program once more.
type Process struct {
	Says *bufio.Reader // its standard output

	cmd  *exec.Cmd
	life io.Closer
}

// StartSecond starts the second process of that name. The files are its
// descriptors from 3 on; this process's are closed.
func StartSecond(name string, job Job, files ...*os.File) (*Process, error) {
	cmd := exec.Command("/proc/self/exe", asSecond, name, job.String())
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	says, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for _, f := range files {
		_ = f.Close()
	}
	return &Process{bufio.NewReader(says), cmd, life}, nil
}

// Kill ends the process by SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// Close has the process end and waits until it has.
func (p *Process) Close() error {
	_ = p.life.Close()
	return p.cmd.Wait()
}
