package mp

import (
	"context"
	"sync"
	"syscall"
	"time"
)

// hireGoroutine starts a worker in a goroutine of this process. Its link lies on the
// Go heap; all else is as with a process.
func (p *Pool) hireGoroutine(string) (*hired, error) {
	a, err := arena()
	if err != nil {
		return nil, err
	}
	_, all := linkSize()
	m, err := initLink(make([]byte, all)) // so large that it begins at a page
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newServer(ctx, a, a.Self(), m)
	if err != nil {
		cancel()
		return nil, err
	}
	s.init = p.options.init
	staff := &workerGoroutine{server: s, cancelServer: cancel, done: make(chan struct{})}
	w, err := newWorker(p.poolLedger, a, m, staff)
	if err != nil {
		cancel()
		return nil, err
	}
	w.slate = nil // whoever is left alone may still write there
	go staff.work()
	return &hired{w, func() {}, time.Now()}, nil
}

// A workerGoroutine is the staff of a worker that is a goroutine.
type workerGoroutine struct {
	server       *server
	cancelServer context.CancelFunc
	end          sync.Once // guards the closing of done
	done         chan struct{}
}

func (s *workerGoroutine) work() {
	_ = s.server.serve()
	_ = s.server.answers.Close()
	_ = s.server.requests.Close()
	s.cancelServer()
	s.over()
}

func (s *workerGoroutine) over()                 { s.end.Do(func() { close(s.done) }) }
func (s *workerGoroutine) cancel(number uint32)  { s.server.cancel(number) }
func (s *workerGoroutine) cancelAll()            { s.cancelServer() }
func (s *workerGoroutine) gone() <-chan struct{} { return s.done }

// kill leaves the goroutine alone: what it writes is read by nobody.
func (s *workerGoroutine) kill() {
	s.cancelServer()
	s.over()
}

func (s *workerGoroutine) death() error {
	return &WorkerDiedError{PID: Current().PID, Signal: syscall.SIGKILL, ExitCode: -int(syscall.SIGKILL)}
}

func (s *workerGoroutine) ending() error { return s.death() }
