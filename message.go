package mp

import (
	"encoding/binary"
	"fmt"

	"github.com/mpgo/mp/shm"
)

// A request is what the pool writes into a worker's stream for one task, which has
// one or more elements, the inputs of one call each:
//
//	0    number  of its first element that is to be done; the others follow
//	4    skip    elements of the body before that one
//	8    count   elements to be done
//	12   typ     of the function
//	16   name    length of the function's
//	18   how     inline or parcel, and flags
//	20   the name, then the body or the Ref of the parcel that the body lies in
//
// In a body each element is its length, 4 bytes, and its argument; or only that, if any
// bytes of the argument's size are one: the type of the function says which. A parcel is
// for bodies that are long or speak of shared objects; the pool holds it until the task
// is done.
type request struct {
	number, skip, count uint32
	typ                 uint32
	how                 uint16
	body                []byte // or a Ref
	name                []byte // of one that was read
}

const (
	requestHeader = 20
	elementHeader = 4

	// inlineLimit is how long a name, or a body or an answer may be that lies in
	// a stream; two of them and their headers fit into a record of a link.
	inlineLimit = 12 << 10
)

// What a body or an answer is.
const (
	howInline = 1 + iota
	howParcel
	howBundle // of a reply: answers to several elements, see bundle
	howTied   // of a reply: an answer that speaks of a single object
)

// Flags of a reply's how.
const (
	howTired = 0x80 // the worker wants to be replaced
	howReady = 0x40 // answers no element: the worker is ready, or what its initializer came to
)

// A flag of a request's how.
const howTogether = 0x80 // answers may be kept back until there are more

func (r *request) size(name string) int { return requestHeader + len(name) + len(r.body) }

// put writes r, of the named function, into a claimed record of its size.
func (r *request) put(b []byte, name string) {
	binary.LittleEndian.PutUint32(b, r.number)
	binary.LittleEndian.PutUint32(b[4:], r.skip)
	binary.LittleEndian.PutUint32(b[8:], r.count)
	binary.LittleEndian.PutUint32(b[12:], r.typ)
	binary.LittleEndian.PutUint16(b[16:], uint16(len(name)))
	binary.LittleEndian.PutUint16(b[18:], r.how)
	n := copy(b[requestHeader:], name)
	copy(b[requestHeader+n:], r.body)
}

// parseRequest views a record as a request.
func parseRequest(b []byte) (r request, err error) {
	if len(b) < requestHeader {
		return r, fmt.Errorf("mp: a request of %d bytes: %w", len(b), shm.ErrDamaged)
	}
	r.number = binary.LittleEndian.Uint32(b)
	r.skip = binary.LittleEndian.Uint32(b[4:])
	r.count = binary.LittleEndian.Uint32(b[8:])
	r.typ = binary.LittleEndian.Uint32(b[12:])
	r.how = binary.LittleEndian.Uint16(b[18:])
	name := int(binary.LittleEndian.Uint16(b[16:]))
	if b = b[requestHeader:]; name > len(b) {
		return r, fmt.Errorf("mp: a request without its function's name: %w", shm.ErrDamaged)
	}
	if n := uint64(r.skip) + uint64(r.count); n > maxAtOnce {
		return r, fmt.Errorf("mp: a request of %d elements: %w", n, shm.ErrDamaged)
	}
	r.name, r.body = b[:name:name], b[name:]
	return r, nil
}

// appendElement begins an element: its content is appended next, and then
// endElement says where it began.
func appendElement(body []byte) (longer []byte, at int) {
	return append(body, 0, 0, 0, 0), len(body)
}

// endElement notes the length of the element at. It reports false if that is too
// long.
func endElement(body []byte, at int) bool {
	n := len(body) - at - elementHeader
	if uint64(n) > 1<<32-1 {
		return false
	}
	binary.LittleEndian.PutUint32(body[at:], uint32(n))
	return true
}

// cutElement cuts the first element off a body.
func cutElement(body []byte) (element, rest []byte, err error) {
	if len(body) >= elementHeader {
		return cutFixed(body[elementHeader:], uint64(binary.LittleEndian.Uint32(body)))
	}
	return nil, nil, errCutOff
}

// cutFixed cuts n bytes off a body.
func cutFixed(body []byte, n uint64) (element, rest []byte, err error) {
	if n > uint64(len(body)) {
		return nil, nil, errCutOff
	}
	return body[:n:n], body[n:], nil
}

var errCutOff = fmt.Errorf("mp: a task ends within an element: %w", shm.ErrDamaged)

// A reply is what a worker writes back for one element, or for some that follow each
// other, in the order in which it does them:
//
//	0   number  of the element, or the first
//	4   how     inline, parcel, bundle or tied, and flags
//	5   the answer, or the Ref of the parcel that it lies in, or a bundle, or the Ref of
//	    the object that the answer speaks of, which is tied to the link, and then the answer
type reply struct {
	number  uint32
	how     byte
	object  shm.Ref // if it is tied
	content []byte
}

const replyHeader = 5

// kind is how without its flags.
func (r *reply) kind() byte { return r.how &^ (howReady | howTired) }

func (r *reply) size() int {
	n := replyHeader + len(r.content)
	if r.kind() == howTied {
		n += shm.RefSize
	}
	return n
}

func (r *reply) put(b []byte) {
	binary.LittleEndian.PutUint32(b, r.number)
	b[4] = r.how
	b = b[replyHeader:]
	if r.kind() == howTied {
		_, _ = r.object.AppendBinary(b[:0])
		b = b[shm.RefSize:]
	}
	copy(b, r.content)
}

func parseReply(b []byte) (r reply, err error) {
	if len(b) < replyHeader {
		return r, fmt.Errorf("mp: an answer of %d bytes: %w", len(b), shm.ErrDamaged)
	}
	r = reply{number: binary.LittleEndian.Uint32(b), how: b[4], content: b[replyHeader:]}
	if r.kind() != howTied {
		return r, nil
	}
	if len(r.content) <= shm.RefSize {
		return r, fmt.Errorf("mp: an answer that speaks of no object: %w", shm.ErrDamaged)
	}
	_ = r.object.UnmarshalBinary(r.content[:shm.RefSize])
	r.content = r.content[shm.RefSize:]
	return r, nil
}
