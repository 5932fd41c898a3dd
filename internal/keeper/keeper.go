package keeper

import (
	"os"

	"github.com/mpgo/mp/internal/sys"
)

// A keeper is what one goroutine has, and nobody else touches.
type keeper struct {
	wanted func(Key) bool // whether anybody can still ask for it
	inbox  *os.File
	kept   map[Key]sys.Descriptor

	// A descriptor that is only there to be closed, so that a request can come in
	// when there is no number for its descriptors; see the package's comment.
	reserve  sys.Descriptor
	reserved bool

	row int // messages received without a pause
}

// Start makes this process the one that keeps, and returns the door, for itself and
// for its children. wanted tells, at any time, whether anybody can still ask for what
// is kept by a key; when that has become false, somebody must Drop it.
func Start(wanted func(Key) bool) (*Door, error) {
	in, out, err := sys.MailSockets("keeper")
	if err != nil {
		return nil, err
	}
	k := &keeper{wanted: wanted, inbox: in, kept: make(map[Key]sys.Descriptor)}
	k.restock()
	go k.serve()
	return NewDoor(out), nil
}

// mostCarried is more descriptors than any request brings. Of a message with more still,
// the kernel closes the rest.
const mostCarried = 3

// serve never returns, unless the inbox is closed, as only tests do.
func (k *keeper) serve() {
	room := make([]byte, requestSize+1) // so that longer messages are longer
	_ = sys.ReceiveAll(k.inbox, room, mostCarried, func(m sys.Message) { k.handle(room, m) }, k.rest)
	_ = k.inbox.Close()
	if k.reserved {
		k.reserve.Close()
	}
	for _, d := range k.kept {
		closeSoon(d)
	}
}

// handle does what a message asks for. What came with it is closed, but for what is
// kept.
func (k *keeper) handle(room []byte, m sys.Message) {
	k.row++
	r, ok := parseRequest(room[:m.Length])
	switch {
	case !ok:
		closeSoon(m.Carried...)
	case r.op == opDrop:
		closeSoon(m.Carried...)
		k.drop(r.key)
	case len(m.Carried) == 0:
		if m.Lacking {
			k.giveUpReserve() // who asked will ask again
		}
	default:
		k.respond(r, m)
	}
}

// respond is handle for those who wait for an answer, where there is a descriptor to
// send it to.
func (k *keeper) respond(r request, m sys.Message) {
	to, rest := m.Carried[0], m.Carried[1:]
	switch n, _ := r.brings(); {
	case len(m.Carried) < n && m.Lacking:
		say(to, answerFull)
	case len(m.Carried) != n:
		say(to, answerRefused)
	case r.op == opOpen:
		k.show(to, r.key)
	default:
		var a answer
		if a = k.keep(r.key, rest[0]); a == answerDone {
			rest = nil
		}
		say(to, a)
	}
	to.Close()
	closeSoon(rest...)
	k.restock()
}

// show sends what is kept by the key.
func (k *keeper) show(to sys.Descriptor, key Key) {
	d, ok := k.kept[key]
	if !ok {
		say(to, answerUnknown)
		return
	}
	say(to, answerDone, d)
}

// keep takes d over if it answers answerDone.
func (k *keeper) keep(key Key, d sys.Descriptor) answer {
	if _, again := k.kept[key]; again || !k.wanted(key) {
		return answerUnknown
	}
	if !k.restock() {
		return answerFull // it has taken the reserve's place
	}
	k.kept[key] = d
	return answerDone
}

// drop closes what is kept by the key, if nobody can ask for it any more.
func (k *keeper) drop(key Key) {
	if d, ok := k.kept[key]; ok && !k.wanted(key) {
		delete(k.kept, key)
		closeSoon(d)
	}
}

// longRow is so many messages in a row that there may have been no room for another in
// the socket, which takes some hundred.
const longRow = 16

// rest is called when no message waits. A drop for which there was no room in the
// socket was lost; there were others in it then.
func (k *keeper) rest() {
	if k.row >= longRow {
		for key := range k.kept {
			k.drop(key)
		}
	}
	k.row = 0
}

// restock sees to the reserve. It reports false if there is none, as there is no number
// for it.
func (k *keeper) restock() bool {
	if !k.reserved {
		d, err := sys.Duplicate(k.inbox)
		k.reserve, k.reserved = d, err == nil
	}
	return k.reserved
}

func (k *keeper) giveUpReserve() {
	if k.reserved {
		k.reserve.Close()
		k.reserved = false
	}
}

// say sends an answer. Whoever asked may be gone, or may have brought a descriptor that
// is no socket; that is his concern.
func say(to sys.Descriptor, a answer, carried ...sys.Descriptor) {
	_ = to.TrySend([]byte{byte(a)}, carried...)
}

// closeSoon closes descriptors without waiting for it: a network, a tape or a user's
// file system may take its time.
func closeSoon(list ...sys.Descriptor) {
	if len(list) == 0 {
		return
	}
	go func() {
		for _, d := range list {
			d.Close()
		}
	}()
}
