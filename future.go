package mp

import (
	"context"
	"runtime"
	"sync"

	"github.com/mpgo/mp/internal/wire"
)

// A call is one call of a function by a pool, and what it comes to.
type call[Out any] struct {
	name  string
	codec *wire.Codec[Out]
	pool  *Pool
	job   job
	task  task
	buf   [64]byte // of the argument, and when the task is done of the answer, if they are short

	// Guarded by the ledger's mutex until the job has news.
	stop  func() bool     // ends the watch on the context
	asked bool            // somebody will ask for the result
	came  arrival         // to be decoded by who waits
	clean runtime.Cleanup // or none
	ready bool            // out is there, or err
	out   Out
	err   error

	decode sync.Once // guards the decoding of what came
}

// newCall hands a call in. It returns with the ledger attended, unless it has failed
// at once.
func (f *Func[In, Out]) newCall(ctx context.Context, p *Pool, in In) *call[Out] {
	c := &call[Out]{name: f.name, codec: f.out, pool: p}
	c.job.sink, c.job.once = c, true
	c.task.job = &c.job
	if err := ctx.Err(); err != nil {
		return c.failed(context.Cause(ctx))
	}
	l := loader[In, Out]{f: f, body: c.buf[:0]}
	if err := l.add(in); err != nil {
		return c.failed(err)
	}
	if err := l.load(&c.task); err != nil {
		return c.failed(err)
	}
	runtime.KeepAlive(in) // its handles must not be given back before the parcel holds them
	p.attend()
	if err := p.submit(&c.task); err != nil {
		p.unattend()
		return c.failed(err)
	}
	return c
}

// failed is for a call that was not handed in, or is not any more.
func (c *call[Out]) failed(err error) *call[Out] {
	c.ready, c.job.news, c.err = true, true, err
	return c
}

// take is told the outcome.
func (c *call[Out]) take(_ int, a arrival) {
	switch {
	case a.err != nil:
		c.ready, c.err = true, a.err
	case !a.holds() && c.codec.Simple():
		c.ready = true
		c.out, c.err = readAnswer(c.codec, c.name, a.answer)
	case c.asked:
		c.came = a.keep(c.buf[:]) // whose task is done
	default:
		c.came = a.keep(nil)
		if a.holds() {
			c.clean = runtime.AddCleanup(c, arrival.close, c.came) // if nobody ever asks
			press(len(a.answer))
		}
	}
	if c.stop != nil {
		c.stop()
	}
}

// result is the outcome, once the job has news.
func (c *call[Out]) result() (Out, error) {
	c.decode.Do(func() {
		if c.ready {
			return
		}
		defer c.drop() // who gets the result may need the memory
		c.out, c.err = readAnswer(c.codec, c.name, c.came.answer)
	})
	return c.out, c.err
}

// drop gives back what came, when it is decoded.
func (c *call[Out]) drop() {
	if !c.asked {
		c.clean.Stop()
	}
	c.came.close()
	c.came = arrival{}
}

// Call has the pool run f with in, and waits for the result. If ctx ends before,
// it returns its cause at once, and the call is given up: it is not begun, or its
// context is cancelled and, after the pool's grace, its worker killed. Python: apply.
func (f *Func[In, Out]) Call(ctx context.Context, p *Pool, in In) (Out, error) {
	c := f.newCall(ctx, p, in)
	if c.ready {
		return c.out, c.err
	}
	c.asked = true
	err := p.await(ctx, &c.job)
	if err != nil {
		p.giveUp(&c.job)
	}
	p.leave()
	if err != nil {
		var none Out
		return none, err
	}
	return c.result()
}

// A Future is the result of a call that a pool is making or going to make. Every
// Future gets its result some time: a value or an error. Its methods may be used by
// any number of goroutines. Python: AsyncResult.
type Future[Out any] struct{ call *call[Out] }

// Go has the pool run f with in, and returns at once. When ctx ends before the
// result is there, the Future's error is its cause, and the call is given up as by
// Cancel. Python: apply_async.
func (f *Func[In, Out]) Go(ctx context.Context, p *Pool, in In) *Future[Out] {
	c := f.newCall(ctx, p, in)
	future := &Future[Out]{c}
	if c.ready {
		return future
	}
	if ctx.Done() != nil {
		c.stop = context.AfterFunc(ctx, func() { c.cancel(context.Cause(ctx)) })
	}
	p.attending--
	p.settled()
	p.mu.Unlock()
	return future
}

// cancel makes err the outcome, if there is none yet.
func (c *call[Out]) cancel(err error) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.job.news {
		return
	}
	c.pool.giveUp(&c.job)
	c.ready, c.err = true, err
	if c.stop != nil {
		c.stop()
	}
	c.job.tell()
}

// Get waits for the result, or for the end of ctx. It may be called any number of
// times. Python: get.
func (f *Future[Out]) Get(ctx context.Context) (Out, error) {
	p := f.call.pool
	p.attend()
	err := p.await(ctx, &f.call.job)
	p.leave()
	if err != nil {
		var none Out
		return none, err
	}
	return f.call.result()
}

// Done is closed when the result is there. Python: ready, and wait.
func (f *Future[Out]) Done() <-chan struct{} {
	f.call.pool.mu.Lock()
	defer f.call.pool.mu.Unlock()
	return f.call.job.channel()
}

// Err is the error of a call that has failed; nil if it has not, or not yet. Python:
// successful.
func (f *Future[Out]) Err() error {
	f.call.pool.mu.Lock()
	news := f.call.job.news
	f.call.pool.mu.Unlock()
	if !news {
		return nil
	}
	_, err := f.call.result()
	return err
}

// Cancel gives the call up: it is not begun, or its context is cancelled and, after the
// pool's grace, its worker killed. The Future's error is context.Canceled, unless the
// result is there. Python has none.
func (f *Future[Out]) Cancel() {
	f.call.cancel(context.Canceled)
}
