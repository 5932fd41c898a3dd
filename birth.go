package mp

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// A birth is the block through which a parent and its child speak:
//
//	0    nonce      the marker in the child's environment must match it
//	16   letter     Ref of the parcel that says what to do; the child's to open
//	32   answer     Ref of the parcel with the answer; the parent's to open
//	48   answered   1 once the answer is there, 2 if there was no memory for one
//	52   opened     1 once the child has found the block: it has run Init
//
// The parent writes nonce and letter before it starts the child; the child
// writes answer and then publishes it with answered. A child that is killed
// before that has not answered; killed after, it has.
type birth struct {
	nonce    [16]byte
	letter   [shm.RefSize]byte
	answer   [shm.RefSize]byte
	answered shared.Uint32
	opened   shared.Uint32
	_        [8]byte
}

const birthSize = 64

// What answered says.
const (
	hasAnswered  = 1
	cannotAnswer = 2
)

// A letter tells a child what it is.
type letter struct {
	Func  string
	Type  uint32 // of Func: shm.TypeHash
	Build build
	Name  string // of the process
	Arg   []byte // encoded argument of Func

	Parent   string // name of the parent
	Detached bool
	Depth    int    // generations that there may be below the process
	Memory   int64  // limit in bytes; 0 for none
	Log      string // least level that the parent logs; empty if it logs nothing
}

// build tells programs apart. The file is compared first: the same file needs no
// reading.
type build struct {
	File string // identity of the executable file
	ID   string // what the linker wrote into it
}

// thisBuild is what this process was built from.
var thisBuild = sync.OnceValues(func() (build, error) {
	id, err := sys.BuildID()
	return build{File: sys.ExecutableID(), ID: id}, err
})

// check reports whether the parent's build is this process's, too.
func (b build) check() error {
	if b.File != "" && b.File == sys.ExecutableID() {
		return nil
	}
	mine, err := thisBuild()
	if err != nil {
		return err
	}
	if mine.ID != b.ID {
		return fmt.Errorf("mp: %w: parent has build id %s, child %s", ErrWrongBuild, b.ID, mine.ID)
	}
	return nil
}

var letterCodec = sync.OnceValue(func() *wire.Codec[letter] {
	c, err := wire.For[letter]("letter")
	if err != nil {
		panic(err)
	}
	return c
})

// A delivery is a child's birth block and letter, as its parent holds them.
type delivery struct {
	arena *shm.Arena
	child shm.Incarnation
	block *shm.Object

	letter *shipment // until it is known whether there is a child
}

// deliver prepares the birth of the process that has the reserved slot child.
// Until the child has opened the letter, the letter keeps what it carries. Then
// comes post, or recall.
func deliver(a *shm.Arena, child shm.Incarnation, l letter, carried []wire.Handle) (*delivery, error) {
	b, err := letterCodec().Append(nil, l)
	if err != nil {
		return nil, fmt.Errorf("mp: what a new process is to do cannot be written down for it: %w", err)
	}
	parcel, err := pack(a, b, carried)
	if err != nil {
		return nil, err
	}
	block, err := a.New(kindBirth, 0, birthSize)
	if err != nil {
		parcel.Close()
		return nil, err
	}
	d := &delivery{arena: a, child: child, block: block, letter: parcel}
	w := shm.At[birth](block.Bytes(), 0)
	if _, err := rand.Read(w.nonce[:]); err != nil {
		d.recall()
		return nil, err
	}
	putRef(&w.letter, parcel.Ref())
	parcel.Address(child)
	block.Address(child)
	return d, nil
}

// post leaves the letter to the child.
func (d *delivery) post() {
	d.letter.Close()
	d.letter = nil
}

// recall undoes deliver: there is no child.
func (d *delivery) recall() {
	d.letter.recall()
	d.post()
	d.block.Close()
}

func putRef(dst *[shm.RefSize]byte, r shm.Ref) {
	_, _ = r.AppendBinary(dst[:0]) // in place: there is room
}

// marker is what the child needs to find the block.
func (d *delivery) marker() string {
	w := shm.At[birth](d.block.Bytes(), 0)
	ref, _ := d.block.Ref().AppendBinary(nil)
	return fmt.Sprintf("%d:%x:%x", uint32(d.child), ref, w.nonce)
}

// answer opens what the child answered; nil if it did not. The bytes are valid,
// and what they speak of is alive, until the parcel is closed.
func (d *delivery) answer() (*shm.Object, []byte) {
	w := shm.At[birth](d.block.Bytes(), 0)
	switch w.answered.Load() { // observes the child's store in reply
	case hasAnswered:
	case cannotAnswer:
		return nil, errorAnswer(errNoAnswer).bytes
	default:
		return nil, nil
	}
	parcel, b, err := openParcel(d.arena, w.answer[:])
	if err != nil {
		return nil, nil
	}
	return parcel, b
}

// opened reports whether the child got as far as Init.
func (d *delivery) opened() bool { return shm.At[birth](d.block.Bytes(), 0).opened.Load() != 0 }

// awaitOpening waits until the child has found its birth block, or is dead: then the
// process table has it for itself, and not only as its parent's reservation.
func (d *delivery) awaitOpening() {
	opened, epoch := &shm.At[birth](d.block.Bytes(), 0).opened, d.arena.Epoch()
	for {
		seen := epoch.Load() // raised after a death that the next look does not see
		if opened.Load() != 0 || !d.arena.Alive(d.child) {
			return
		}
		_ = futex.Wait([]sys.Futex{{Word: opened, Val: 0}, {Word: epoch, Val: seen}}, 0)
	}
}

// errNoAnswer is the answer of a child that found no memory for its own.
var errNoAnswer = fmt.Errorf("the result cannot be sent back: shared memory is full: %w", syscall.ENOSPC)

// A newborn is the child's side of its birth.
type newborn struct {
	arena *shm.Arena
	block *shm.Object

	parcel *shm.Object // the letter's
	letter
	unread error // why there is no letter, or nil
}

// parseMarker is the reverse of delivery.marker.
func parseMarker(marker string) (self shm.Incarnation, r shm.Ref, nonce []byte, err error) {
	var n uint32
	parts := strings.Split(marker, ":")
	if len(parts) != 3 {
		return 0, r, nil, fmt.Errorf("mp: the library's variable in this process's environment makes no sense, so it is not known what to run: %q", marker)
	}
	if _, err = fmt.Sscanf(parts[0], "%d", &n); err != nil {
		return 0, r, nil, fmt.Errorf("mp: marker %q: %w", marker, err)
	}
	ref, err := hex.DecodeString(parts[1])
	if err == nil {
		err = r.UnmarshalBinary(ref)
	}
	if err == nil {
		nonce, err = hex.DecodeString(parts[2])
	}
	return shm.Incarnation(n), r, nonce, err
}

// findBirth finds the birth block and reads the letter. Errors before the block is
// known to be this process's can only be printed.
func findBirth(a *shm.Arena, r shm.Ref, nonce []byte) (*newborn, error) {
	block, err := a.Open(r, kindBirth, 0)
	if err != nil {
		return nil, fmt.Errorf("mp: nothing to do for this process: %w", err)
	}
	w := shm.At[birth](block.Bytes(), 0)
	if string(nonce) != string(w.nonce[:]) {
		block.Close()
		return nil, fmt.Errorf("mp: this process was started with the environment of another process of the library: do not pass that on")
	}
	w.opened.Store(1)
	futex.WakeAll(&w.opened) // the parent may be in awaitOpening
	return &newborn{arena: a, block: block}, nil
}

// read opens the letter. Its Refs are kept alive until the parcel is closed, so
// the caller closes it after the argument is decoded.
func (n *newborn) read() {
	w := shm.At[birth](n.block.Bytes(), 0)
	parcel, b, err := openParcel(n.arena, w.letter[:])
	if err == nil {
		n.letter, err = letterCodec().Decode(b)
	}
	if err != nil {
		n.unread = fmt.Errorf("mp: what this process is to do cannot be read: %w", err)
		if parcel != nil {
			parcel.Close()
		}
		return
	}
	n.parcel = parcel
}

// reply publishes the answer for the parent. It reports false if there is no memory
// for it.
func (n *newborn) reply(parent shm.Incarnation, ans answer) bool {
	parcel, err := pack(n.arena, ans.bytes, ans.handles)
	sent := err == nil
	if !sent {
		parcel, err = pack(n.arena, errorAnswer(fmt.Errorf("the result cannot be sent back: %w", err)).bytes, nil)
	}
	w := shm.At[birth](n.block.Bytes(), 0)
	if err != nil {
		w.answered.Store(cannotAnswer)
		return false
	}
	defer parcel.Close()
	if !parcel.Address(parent) {
		return sent // nobody to read it
	}
	putRef(&w.answer, parcel.Ref())
	w.answered.Store(hasAnswered) // publishes the answer; observed in delivery.answer
	return sent
}
