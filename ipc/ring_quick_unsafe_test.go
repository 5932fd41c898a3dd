package ipc

import (
	"context"
	"sync"
	"unsafe"
)

// errNotQuick is what PutQuick and GetQuick return in these tests if it is not quickly done,
// with the odd message if one was taken.
type errNotQuick struct{ odd *Taken }

func (errNotQuick) Error() string { return "not quickly done" }

var refused sync.Mutex

var refusing = Plainly{
	Put: func(context.Context, []byte) error { return errNotQuick{} },
	Get: func(_ context.Context, _ []byte, odd *Taken) error { return errNotQuick{odd} },
}

// refuse has a ring's quick ways do nothing else than what is quickly done, for messages of n
// bytes. Goroutines that use one ring at a time all do so for the same n.
func refuse(r *Ring, n int) {
	refused.Lock()
	defer refused.Unlock()
	if r.plain != n || r.otherwise.Put == nil {
		r.Plain(n, refusing)
	}
}

func putQuickly(r *Ring, ctx context.Context, msg []byte) bool {
	refuse(r, len(msg))
	// SAFETY: the message's own memory.
	return r.PutQuick(ctx, unsafe.Pointer(unsafe.SliceData(msg))) == nil
}

func getQuickly(r *Ring, ctx context.Context, into []byte) (bool, *Taken) {
	refuse(r, len(into))
	// SAFETY: the memory of a message.
	err := r.GetQuick(ctx, unsafe.Pointer(unsafe.SliceData(into)))
	if err == nil {
		return true, nil
	}
	return false, err.(errNotQuick).odd
}
