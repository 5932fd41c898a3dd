package mp

import (
	"fmt"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A link is what a pool and one of its workers have between them, in one block:
//
//	0     claims    which tasks the worker has begun, ipc.Claims
//	128   requests  a stream from the pool to the worker
//	…     answers   a stream back
//	…     slate     answers that the worker has not sent yet, see bundle
//
// What the records look like says message.go; who has what task says the ledger.
// A pool and a worker of one process (NewLocalPool) have the same on the Go heap.
type link struct {
	handle[*linkMemory, links]
}

// linkMemory is a process's view of a link: where its parts are. Each side opens
// its own ends of the streams.
type linkMemory struct {
	claims            *ipc.Claims
	requests, answers []byte
	slate             []byte
}

const (
	linkCapacity = 64 << 10 // of each stream
	linkClaims   = 128      // bytes before the first stream
)

func linkSize() (stream, all int) {
	stream, err := ipc.StreamSize(linkCapacity)
	if err != nil {
		panic(err) // the constant is wrong
	}
	return stream, linkClaims + 2*stream + slateSize
}

// viewLink finds the parts of a link.
func viewLink(mem []byte) *linkMemory {
	stream, all := linkSize()
	mem = mem[:all:all]
	return &linkMemory{
		claims:   shm.At[ipc.Claims](mem, 0),
		requests: mem[linkClaims:][:stream:stream],
		answers:  mem[linkClaims+stream:][:stream:stream],
		slate:    mem[linkClaims+2*stream:],
	}
}

// initLink makes an empty link in zeroed memory.
func initLink(mem []byte) (*linkMemory, error) {
	m := viewLink(mem)
	m.claims.Reopen(0)
	for _, stream := range [][]byte{m.requests, m.answers} {
		if err := ipc.InitStream(stream, linkCapacity); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// links describes the blocks of links.
type links struct{}

func (links) what() string   { return "link" }
func (links) kind() shm.Kind { return kindLink }
func (links) typ() uint32    { return 0 }

func (links) open(o *shm.Object) (*linkMemory, error) {
	if _, all := linkSize(); len(o.Bytes()) != all {
		return nil, fmt.Errorf("%d bytes: %w", len(o.Bytes()), shm.ErrDamaged)
	}
	return viewLink(o.Bytes()), nil
}

// newLink makes a link in shared memory.
func newLink() (*link, error) {
	_, all := linkSize()
	obj, err := create(links{}, all)
	if err != nil {
		return nil, err
	}
	if _, err := initLink(obj.Bytes()); err != nil {
		obj.Close()
		return nil, err
	}
	l := new(link)
	return l, l.bind(obj)
}
