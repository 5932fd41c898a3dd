package shm

// endings are the functions of OnFree.
var endings = map[Kind]func(a *Arena, typ uint32, kept []Ref, payload []byte){}

// OnFree has end called for each keeper of that kind that nobody needs any more,
// before it and what it kept go: so that whoever waits for something that only a
// holder of it could do is told. It gets the keeper's type, and what Kept and
// Payload of an Object give, empty if the block is damaged.
//
// It is called by whichever process frees the block; if that is killed before it
// has returned, by the one that buries it, once more. By then nobody can come to
// hold the block; what it kept has to be opened to be used. OnFree is called in an
// init function, once for a kind.
func OnFree(kind Kind, end func(a *Arena, typ uint32, kept []Ref, payload []byte)) {
	endings[kind] = end
}

// end calls what OnFree asked for. The block is doomed, and this process's.
func (a *Arena) end(p place, kept []Ref) {
	if f := endings[Kind(p.head.kind.Load()&kindMask)]; f != nil {
		b, _ := payload(a.memory(p))
		f(a, p.head.typ.Load(), kept, b)
	}
}
