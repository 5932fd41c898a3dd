package mp

import (
	"fmt"
	"math"
	"reflect"
	"sync/atomic"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// DefaultPipeCapacity is how many bytes of messages lie in each direction of a
// pipe, as in a pipe of Linux.
const DefaultPipeCapacity = 64 << 10

// A PipeOption changes how a pipe works.
type PipeOption func(*pipeOptions)

type pipeOptions struct {
	capacity int
	limit    int
	oneWay   bool
	fixed    int // length of all messages, or -1
}

// WithPipeCapacity sets how many bytes of messages at least lie in each direction of the
// pipe, before a Send has to wait; a power of two is made of it. A plain message takes
// its length, rounded up to 16 bytes; others take 16 bytes more. One of more than
// nearly half the capacity takes a block of shared memory of its own. To 16 KiB and more
// come 4 KiB that stay in the caches of both CPUs, for messages that are answered one by
// one; from there on more capacity costs them nothing.
func WithPipeCapacity(bytes int) PipeOption {
	return func(o *pipeOptions) { o.capacity = bytes }
}

// WithMessageLimit makes Send refuse messages of more bytes, encoded, with
// ErrTooLarge. Without it shared memory is the limit.
func WithMessageLimit(bytes int) PipeOption {
	return func(o *pipeOptions) { o.limit = bytes }
}

// OneWay makes a pipe whose first end only receives and whose second only sends.
// Python: Pipe(duplex=False), in the same order.
func OneWay() PipeOption {
	return func(o *pipeOptions) { o.oneWay = true }
}

// NewPipe makes a pipe and returns its two ends, both of which are this process's
// until it sends one away. T may be any type that can be encoded without loss;
// ErrUnencodable, with the path to the part, otherwise. Python: Pipe.
func NewPipe[T any](opts ...PipeOption) (*Conn[T], *Conn[T], error) {
	codec, err := wire.For[T]("message")
	if err != nil {
		return nil, nil, fmt.Errorf("mp: NewPipe: %w", err)
	}
	o := pipeOptions{capacity: DefaultPipeCapacity, fixed: codec.Fixed()}
	for _, set := range opts {
		set(&o)
	}
	if o.limit < 0 || o.limit > 0 && codec.Fixed() > o.limit {
		return nil, nil, fmt.Errorf("mp: NewPipe: messages of %d bytes with a limit of %d: %w", codec.Fixed(), o.limit, ErrTooLarge)
	}
	pipe, err := newPipe(conns[T]{}.typ(), o)
	if err != nil {
		return nil, nil, err
	}
	defer pipe.Close() // the ends keep it
	a, err := newConn[T](pipe, 0)
	if err != nil {
		return nil, nil, err
	}
	b, err := newConn[T](pipe, 1)
	if err != nil {
		_ = a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// newConn makes an end of the pipe, which keeps the pipe.
func newConn[T any](pipe *shm.Object, side uint32) (*Conn[T], error) {
	var d conns[T]
	o, err := newEnd(pipe, side, d.typ())
	if err != nil {
		return nil, err
	}
	c := new(Conn[T])
	if err := c.bind(o); err != nil {
		return nil, err
	}
	return c, c.claim()
}

// The block of a pipe:
//
//	0    magic     stored last
//	4    streams   1 or 2
//	8    capacity  of each
//	16   limit     bytes of a message; never 0
//	128  stream from end 1 to end 0
//	…    stream from end 0 to end 1, if there are two
//
// Each end is a block of its own, which keeps this one (shm.NewKeeper), and has its
// side, 0 or 1. The end is alive as long as its block: that is held by the process
// that has it, or carried by the parcel under way with it, and freed when nobody
// can come to have it any more. Then, and not by looking at who holds what, its
// peer is told (loseEnd).
//
// Which process has the end is told by the owners in the streams: a process that
// sends it away first makes them Nobody, then sends; the one that receives it makes
// them itself. Killed in between, it is lost with its message, or is had by whoever
// gets that.
type pipeHeader struct {
	magic    atomic.Uint32
	streams  uint32
	capacity uint64
	limit    uint64
}

const (
	pipeMagic  = 0x3150_706d // "mpP1"
	pipeHead   = 128
	endPayload = 8 // of the block of an end: its side
)

// newPipe makes the block of a pipe.
func newPipe(typ uint32, opt pipeOptions) (*shm.Object, error) {
	stream, err := ipc.StreamSize(opt.capacity)
	if err != nil {
		return nil, fmt.Errorf("mp: NewPipe: %w", err)
	}
	stream = pipeStride(stream)
	streams := 2
	if opt.oneWay {
		streams = 1
	}
	o, err := allocate("pipe", func(a *shm.Arena) (*shm.Object, error) {
		return a.New(kindPipe, typ, pipeHead+streams*stream)
	})
	if err != nil {
		return nil, err
	}
	for i := range streams {
		if err := opt.initStream(o.Bytes()[pipeHead+i*stream:]); err != nil {
			o.Close()
			return nil, fmt.Errorf("mp: NewPipe: %w", err)
		}
	}
	h := shm.At[pipeHeader](o.Bytes(), 0)
	h.streams, h.capacity, h.limit = uint32(streams), uint64(opt.capacity), math.MaxInt
	if opt.limit > 0 {
		h.limit = uint64(opt.limit)
	}
	h.magic.Store(pipeMagic)
	return o, nil
}

// initStream makes a stream in mem: one for records of the messages' length, if they
// have one that fits.
func (o pipeOptions) initStream(mem []byte) error {
	if o.fixed >= 0 && o.fixed <= ipc.MaxRecord(o.capacity) {
		return ipc.InitFixedStream(mem, o.capacity, o.fixed)
	}
	return ipc.InitStream(mem, o.capacity)
}

// pipeStride is the distance of two streams of so many bytes.
func pipeStride(size int) int { return (size + pipeHead - 1) &^ (pipeHead - 1) }

// newEnd makes the block of an end.
func newEnd(pipe *shm.Object, side, typ uint32) (*shm.Object, error) {
	o, err := allocate("end of a pipe", func(a *shm.Arena) (*shm.Object, error) {
		return a.NewKeeper(kindConn, typ, []shm.Ref{pipe.Ref()}, endPayload)
	})
	if err != nil {
		return nil, err
	}
	b, err := o.Payload()
	if err != nil {
		o.Close()
		return nil, err
	}
	*shm.At[uint32](b, 0) = side
	return o, nil
}

// A pipeMemory is the block of a pipe as one end sees it.
type pipeMemory struct {
	in, out []byte // the streams, or nil
	most    int    // bytes of a message in a stream
	limit   uint64
}

// viewPipe checks what mem holds, which is not trusted.
func viewPipe(mem []byte, side uint32) (pipeMemory, error) {
	none := pipeMemory{}
	if len(mem) < pipeHead || side > 1 {
		return none, fmt.Errorf("a pipe of %d bytes, end %d: %w", len(mem), side, shm.ErrDamaged)
	}
	h := shm.At[pipeHeader](mem, 0)
	magic, streams, capacity, limit := h.magic.Load(), h.streams, h.capacity, h.limit
	if magic != pipeMagic || streams < 1 || streams > 2 || capacity > ipc.MaxStreamCapacity {
		return none, fmt.Errorf("no pipe here: magic %#x, %d streams of %d bytes: %w", magic, streams, capacity, shm.ErrDamaged)
	}
	size, err := ipc.StreamSize(int(capacity))
	if err != nil {
		return none, err
	}
	stride := pipeStride(size)
	if len(mem) < pipeHead+int(streams)*stride {
		return none, fmt.Errorf("a pipe of %d bytes with %d streams of %d: %w", len(mem), streams, capacity, shm.ErrDamaged)
	}
	first := mem[pipeHead:][:size:size]
	var second []byte
	if streams == 2 {
		second = mem[pipeHead+stride:][:size:size]
	}
	m := pipeMemory{in: first, out: second, most: ipc.MaxRecord(int(capacity)), limit: limit}
	if side == 1 {
		m.in, m.out = m.out, m.in
	}
	return m, nil
}

// openPipe opens the pipe of an end, and finds the end's streams in it.
func openPipe(a *shm.Arena, kept []shm.Ref, payload []byte, typ uint32) (*shm.Object, pipeMemory, error) {
	if len(kept) != 1 || len(payload) < endPayload {
		return nil, pipeMemory{}, fmt.Errorf("%d pipes, %d bytes: %w", len(kept), len(payload), shm.ErrDamaged)
	}
	side := *shm.At[uint32](payload, 0)
	o, err := a.Open(kept[0], kindPipe, typ)
	if err != nil {
		return nil, pipeMemory{}, err
	}
	m, err := viewPipe(o.Bytes(), side)
	if err != nil {
		o.Close()
		return nil, pipeMemory{}, err
	}
	return o, m, nil
}

func init() {
	shm.OnFree(kindConn, loseEnd)
	shm.OnPending(kindPipe, pendingInPipe)
}

// loseEnd tells the peer of an end that nobody can come to have any more. That it
// was closed, if it was, it knows already.
func loseEnd(a *shm.Arena, typ uint32, kept []shm.Ref, payload []byte) {
	o, m, err := openPipe(a, kept, payload, typ)
	if err != nil {
		return // the peer's end is gone as well
	}
	defer o.Close()
	lose(m.in, m.out)
	o.CollectEnclosed()
}

// lose says that nobody has the end any more that receives from in and sends to out;
// each may be nil. Whoever gets ErrPeerDied from Recv gets it from Send, too.
func lose(in, out []byte) {
	if in != nil {
		_ = ipc.LoseReader(in)
	}
	if out != nil {
		_ = ipc.LoseWriter(out)
	}
}

// pendingInPipe reports whether a message of a pipe is still to be had. The lowest
// bit of its stamp, which is a multiple of 16 in a stream, is the end that receives
// it.
func pendingInPipe(a *shm.Arena, mem []byte, stamp uint64) bool {
	m, err := viewPipe(mem, uint32(stamp&1))
	return err == nil && m.in != nil && ipc.StreamPending(a, m.in, stamp&^1)
}

// allocate makes a block in the arena, if need be after a garbage collection.
func allocate(what string, makes func(*shm.Arena) (*shm.Object, error)) (*shm.Object, error) {
	a, err := arena()
	if err != nil {
		return nil, err
	}
	o, err := makes(a)
	if full(err) {
		reclaim()
		o, err = makes(a)
	}
	if err != nil {
		return nil, fmt.Errorf("mp: a new %s: %w", what, err)
	}
	return o, nil
}

// conns describes the blocks of Conns.
type conns[T any] struct{}

func (conns[T]) what() string   { return "Conn" }
func (conns[T]) kind() shm.Kind { return kindConn }
func (conns[T]) typ() uint32    { return shm.TypeHash(reflect.TypeFor[T]()) }

func (d conns[T]) open(o *shm.Object) (*connView[T], error) {
	codec, err := wire.For[T]("message")
	if err != nil {
		return nil, err
	}
	payload, err := o.Payload()
	if err != nil {
		return nil, err
	}
	pipe, m, err := openPipe(o.Arena(), o.Kept(), payload, d.typ())
	if err != nil {
		return nil, err
	}
	side := *shm.At[uint32](payload, 0)
	v := &connView[T]{codec: codec}
	v.init(pipe, side, m, codec.Fixed())
	v.pushes = v.plain >= 0
	v.pulls = v.pushes && codec.AnyBytes()
	return v, nil
}
