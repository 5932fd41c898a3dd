package mp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A server is the worker's half of a link: it does what comes through the stream of
// requests, one element after the other, and writes a reply for each.
type server struct {
	ctx   context.Context // of the worker
	arena *shm.Arena
	pool  shm.Incarnation // the process that the pool is in
	init  *initializer    // or nil
	ready bool            // it has said so

	growth int64 // of memory, after which it is tired; 0 for no bound
	size   size

	link     *shm.Object // that the streams lie in; nil if that is no block
	claims   *ipc.Claims
	requests *ipc.StreamReader
	answers  *ipc.StreamWriter

	f        *function // the last one, whose name is
	name     string
	fault    error         // why f cannot be called
	work     request       // what it is doing; count is what is left of it
	parcel   *shm.Object   // that work's body lies in, or nil
	together bool          // its answers may go in bundles
	scratch  []byte        // where answers are encoded
	handles  []wire.Handle // where those that they speak of are listed
	bundle   bundle        // answers that are not sent yet
	calling  bool          // a registered function is on the stack

	contexts []taskContext // not used yet
	interrupts
}

// newServer opens the worker's ends of the link in m.
func newServer(ctx context.Context, a *shm.Arena, pool shm.Incarnation, m *linkMemory) (*server, error) {
	s := &server{ctx: ctx, arena: a, pool: pool, claims: m.claims, bundle: bundle{slate: m.slate}}
	var err error
	if s.requests, err = ipc.OpenReader(a, m.requests); err != nil {
		return nil, err
	}
	s.answers, err = ipc.OpenWriter(a, m.answers)
	return s, err
}

// serve does tasks until there will be no more.
func (s *server) serve() error {
	ended := make(chan error, 1)
	go s.loop(ended)
	err := <-ended
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
		return nil // the pool has closed, or is dead
	}
	return err
}

// loop does tasks. A function that ends its goroutine with runtime.Goexit ends this
// one, and another goes on.
func (s *server) loop(ended chan<- error) {
	defer func() {
		if !s.calling {
			return
		}
		s.calling = false
		if err := s.reply(errorAnswer(errGoexit)); err != nil {
			ended <- err
			return
		}
		go s.loop(ended)
	}()
	err := s.begin()
	for err == nil {
		if s.work.count == 0 {
			err = s.next()
		} else {
			err = s.proceed(s.work.count)
		}
	}
	ended <- err
}

var errGoexit = errors.New("the function ended its goroutine without returning (runtime.Goexit)")

// An initializer is a call that each worker makes before its first task.
type initializer struct {
	Func string
	Type uint32
	Arg  []byte
}

// begin makes the initializer's call, and says what came of it.
func (s *server) begin() error {
	if s.ready {
		return nil
	}
	s.ready = true
	ans := answer{bytes: []byte{answerValue}}
	if s.init != nil {
		ans = guarded(func() answer {
			f, err := lookup(s.init.Func, s.init.Type)
			if err != nil {
				return errorAnswer(err)
			}
			call, err := f.prepare(s.init.Arg)
			if err != nil {
				return errorAnswer(err)
			}
			return call(s.ctx)
		})
	}
	failed := ans.bytes[0] != answerValue
	if !failed {
		ans = answer{bytes: ans.bytes[:1]} // the result itself is nobody's
	}
	if err := s.send(ans, howReady); err != nil {
		return err
	}
	if failed {
		return errInitializer
	}
	return nil
}

var errInitializer = errors.New("the initializer failed")

// next takes the next task.
func (s *server) next() error {
	b, err := s.requests.Take(s.ctx)
	if err != nil {
		return err
	}
	if s.work, err = parseRequest(b); err != nil {
		return err
	}
	s.together = s.work.how&howTogether != 0 && s.growth == 0
	if s.work.how&^howTogether == howParcel {
		s.parcel, s.work.body, err = openParcel(s.arena, s.work.body)
		if errors.Is(err, ErrClosed) {
			err, s.work.count = nil, 0 // it was taken back, and is not there any more
		}
	}
	if s.find(); err == nil && s.fault == nil {
		s.bundle.bare = s.f.result >= 0
		err = s.skip()
	}
	if s.work.count == 0 {
		s.done()
	}
	return err
}

// find finds the function of the task.
func (s *server) find() {
	if s.f != nil && s.f.typ() == s.work.typ && s.name == string(s.work.name) {
		return
	}
	s.name = string(s.work.name)
	s.f, s.fault = lookup(s.name, s.work.typ)
}

// skip drops the elements of the body that are not to be done.
func (s *server) skip() (err error) {
	if n := s.f.argument; n >= 0 {
		_, s.work.body, err = cutFixed(s.work.body, uint64(s.work.skip)*uint64(n))
		return err
	}
	for ; err == nil && s.work.skip > 0; s.work.skip-- {
		_, s.work.body, err = cutElement(s.work.body)
	}
	return err
}

// cut takes the next argument off the body. It is none if nobody could read it.
func (s *server) cut() (arg []byte, err error) {
	switch {
	case s.fault != nil:
	case s.f.argument >= 0:
		arg, s.work.body, err = cutFixed(s.work.body, uint64(s.f.argument))
	default:
		arg, s.work.body, err = cutElement(s.work.body)
	}
	return arg, err
}

// done gives the request back.
func (s *server) done() {
	s.closeParcel()
	s.work.count = 0
	s.requests.Release()
}

func (s *server) closeParcel() {
	if s.parcel != nil {
		s.parcel.Close()
		s.parcel = nil
	}
}

// proceed does up to n elements of the task, which has as many: until the pool has taken the next one back,
// or one's answer has to be sent by itself.
func (s *server) proceed(n uint32) error {
	ans, err := s.answer(n)
	if err == nil && ans.bytes != nil {
		err = s.reply(ans)
	}
	if err == nil && s.work.count == 0 {
		s.done()
		err = s.flush()
	}
	return err
}

// answer does up to n elements of the task, and keeps their answers, until there is one
// that cannot be kept.
func (s *server) answer(n uint32) (answer, error) {
	if s.fault == nil {
		return s.f.serve(s, n)
	}
	_, claimed, err := s.claim()
	if err != nil || !claimed {
		return answer{}, err
	}
	return errorAnswer(s.fault), nil
}

// claim claims the next element and returns its argument, unless the pool has taken it
// back, and with it all that come after it.
func (s *server) claim() (arg []byte, claimed bool, err error) {
	s.bundle.begin(s.work.number)
	if !s.claims.Claim(s.work.number) { // observes the pool's TakeBack
		s.work.count = 0
		return nil, false, nil
	}
	arg, err = s.cut()
	return arg, true, err
}

// decoded is told that the argument is. What it speaks of has handles of its own then.
func (s *server) decoded() {
	if s.parcel != nil && s.work.count == 1 {
		s.closeParcel()
	}
}

// answered goes on to the next element.
func (s *server) answered() {
	s.work.number++
	s.work.count--
}

// contextsAtOnce is how many contexts are made at a time: each is small.
const contextsAtOnce = 32

func (s *server) newContext() *taskContext {
	if len(s.contexts) == 0 {
		s.contexts = make([]taskContext, contextsAtOnce)
	}
	ctx := &s.contexts[0]
	s.contexts = s.contexts[1:]
	ctx.server, ctx.number = s, s.work.number
	return ctx
}

// How much memory is kept from one answer for the next.
const (
	scratchLimit = 64 << 10 // bytes
	handlesLimit = 1 << 10
)

// reply answers the element, and goes on to the next.
func (s *server) reply(ans answer) error {
	flags := byte(0)
	if s.growth > 0 && s.size.grown(s.growth) {
		flags = howTired
	}
	err := s.sendNow(ans, flags)
	s.reuse(ans)
	s.answered()
	return err
}

// reuse keeps the memory of an answer for the next.
func (s *server) reuse(ans answer) {
	if ans.parcel != nil {
		return
	}
	if ans.handles != nil {
		clear(ans.handles)
		if s.handles = ans.handles[:0]; cap(s.handles) > handlesLimit {
			s.handles = nil
		}
	}
	if s.scratch = ans.bytes[:0]; cap(s.scratch) > scratchLimit {
		s.scratch = nil
	}
}

// keep keeps an answer for a bundle, if it can be, and goes on to the next.
func (s *server) keep(ans answer) bool {
	if !s.together || ans.bytes[0] != answerValue || len(ans.handles) > 0 || ans.parcel != nil {
		return false
	}
	if !s.bundle.add(ans.bytes) {
		return false
	}
	s.reuse(ans)
	s.answered()
	return true
}

// sendNow sends an answer, after all that were kept.
func (s *server) sendNow(ans answer, flags byte) error {
	if err := s.flush(); err != nil {
		return err
	}
	err := s.send(ans, flags)
	if err != nil && s.ctx.Err() == nil && !errors.Is(err, io.ErrClosedPipe) {
		err = s.send(errorAnswer(fmt.Errorf("the result cannot be sent back: %w", err)), 0)
	}
	return err
}

// send writes a reply.
func (s *server) send(ans answer, flags byte) error {
	if ans.parcel != nil {
		return s.sendParcel(ans.parcel, flags)
	}
	if tied, err := s.sendTied(ans, flags); tied || err != nil {
		return err
	}
	if len(ans.handles) > 0 || len(ans.bytes) > inlineLimit {
		parcel, err := pack(s.arena, ans.bytes, ans.handles)
		if err != nil {
			return err
		}
		return s.sendParcel(parcel, flags)
	}
	return s.put(reply{number: s.work.number, how: howInline | flags, content: ans.bytes})
}

// An addressable is a parcel, or a shipment with all that goes with it.
type addressable interface {
	Address(to shm.Incarnation) bool
	Ref() shm.Ref
	Close()
}

// sendParcel writes a reply that lies in a parcel, and lets go of that.
func (s *server) sendParcel(parcel addressable, flags byte) error {
	parcel.Address(s.pool)
	r := reply{number: s.work.number, how: howParcel | flags}
	r.content, _ = parcel.Ref().AppendBinary(nil)
	parcel.Close() // before the pool gets it: who then lets go of it is the last
	return s.put(r)
}

// sendTied writes a reply that speaks of a single object, which can do without a parcel:
// it is tied to the link until the pool has opened it. It reports whether it could.
//
// Killed before the Tie, or after it and before the commit: the answer is not there, and
// the object goes, at the latest with the link. After the commit the pool gets both.
func (s *server) sendTied(ans answer, flags byte) (bool, error) {
	if s.link == nil || len(ans.handles) != 1 || len(ans.bytes) > inlineLimit {
		return false, nil
	}
	if _, ok := ans.handles[0].(movable); ok {
		return false, nil
	}
	ref, err := ans.handles[0].WireRef()
	if err != nil {
		return false, err
	}
	if !s.link.Tie(ref) {
		return false, nil // it is on its way already
	}
	if err = s.put(reply{number: s.work.number, how: howTied | flags, object: ref, content: ans.bytes}); err != nil {
		s.link.Untie(ref)
	}
	runtime.KeepAlive(ans) // the handle holds the object so far
	return err == nil, err
}

func (s *server) put(r reply) error {
	b, err := s.answers.Claim(s.ctx, r.size())
	if err != nil {
		return err
	}
	r.put(b)
	s.answers.Commit(len(b)) // passes the answer to the pool
	return nil
}

// serve does up to n elements of a worker's task, one after the other: claims it, decodes
// the argument, calls the function, and keeps the answer. It returns the first one that
// cannot be kept. What costs as much as a short function does is done once for all: a
// panic ends the loop.
func serve[In, Out any](f *Func[In, Out], s *server, n uint32) (ans answer, err error) {
	ctx := new(taskContext) // of the element, once there is one
	returned := false
	s.calling = true
	defer func() {
		if returned {
			s.calling = false
			return
		}
		ctx.end()
		if v := recover(); v != nil {
			s.calling = false
			ans = panicAnswer(v, debug.Stack())
		}
	}()
	for ; n > 0; n-- {
		arg, claimed, broken := s.claim()
		if !claimed || broken != nil {
			returned = true
			return answer{}, broken
		}
		ctx = s.newContext()
		out, failed := f.call(ctx, s, arg)
		ctx.end()
		if failed == nil && s.together && s.bundle.bare && s.bundle.addResult(shm.Raw([]Out{out})) {
			s.answered() // as keep would do it, without making an answer first
			continue
		}
		if ans = f.answer(s, out, failed); !s.keep(ans) {
			returned = true
			return ans, nil
		}
	}
	returned = true
	return answer{}, nil
}

// call decodes the argument and calls the function.
func (f *Func[In, Out]) call(ctx context.Context, s *server, arg []byte) (out Out, err error) {
	in, err := f.in.Decode(arg)
	s.decoded()
	if err != nil {
		return out, fmt.Errorf("the argument cannot be read: %w", err)
	}
	return f.f(ctx, in)
}

// answer encodes what a call came to. If that is known to be long, and has no handles, it
// is put where the pool will read it, instead of being copied there afterwards. If it is
// not, and will not be kept, whoever sleeps for it is woken already: that takes longer than
// the rest, after a function so long that nobody spins any more and no line of the rest is
// in a cache.
func (f *Func[In, Out]) answer(s *server, out Out, err error) answer {
	n := f.out.Length(&out)
	if err == nil && 1+n > inlineLimit {
		return layValue(s.arena, f.out, out, n)
	}
	if !s.together {
		s.answers.Rouse()
	}
	if err != nil {
		return errorAnswer(err)
	}
	return appendValue(s.scratch[:0], s.handles[:0], f.out, out)
}

// layValue is valueAnswer in a parcel, for a result that has n bytes when it is encoded.
func layValue[Out any](a *shm.Arena, c *wire.Codec[Out], v Out, n int) answer {
	parcel, payload, err := newParcel(a, nil, 1+n)
	if err != nil {
		return errorAnswer(fmt.Errorf("the result cannot be sent back: %w", err))
	}
	payload[0] = answerValue
	if _, err := c.Append(payload[:1], v); err != nil { // in place: there is room
		parcel.Close()
		return errorAnswer(fmt.Errorf("the result cannot be sent back: %w", err))
	}
	return answer{bytes: payload, parcel: parcel}
}

// appendValue is valueAnswer in given memory.
func appendValue[Out any](dst []byte, handles []wire.Handle, c *wire.Codec[Out], v Out) answer {
	b, err := c.Append(append(dst, answerValue), v)
	if err != nil {
		return errorAnswer(fmt.Errorf("the result cannot be sent back: %w", err))
	}
	return answer{bytes: b, handles: c.AppendHandles(handles, v)}
}
