package keeper

// A Key names a descriptor that is kept. No two ever have the same.
type Key [KeySize]byte

// KeySize is the length of a Key.
const KeySize = 16

// A request is a letter and a key. Its bytes may have come from anybody.
type request struct {
	op  byte
	key Key
}

const requestSize = 1 + KeySize

// What requests ask for.
const (
	opKeep = 'k'
	opOpen = 'o'
	opDrop = 'd'
)

// brings is how many descriptors come with a request; ok is false if there is none of
// that kind.
func (r request) brings() (n int, ok bool) {
	switch r.op {
	case opKeep:
		return 2, true
	case opOpen:
		return 1, true
	case opDrop:
		return 0, true
	}
	return 0, false
}

func (r request) bytes() []byte { return append([]byte{r.op}, r.key[:]...) }

// parseRequest reads a message. It reports false if that is no request.
func parseRequest(b []byte) (r request, ok bool) {
	if len(b) != requestSize {
		return request{}, false
	}
	r = request{b[0], Key(b[1:])}
	_, ok = r.brings()
	return r, ok
}

// An answer is one byte.
type answer byte

const (
	answerDone    answer = 'd'
	answerUnknown answer = 'u'
	answerFull    answer = 'f'
	answerRefused answer = 'r'
)

// err is what the answer is to who asked.
func (a answer) err() error {
	switch a {
	case answerDone:
		return nil
	case answerUnknown:
		return ErrUnknown
	case answerFull:
		return errFull
	}
	return ErrRefused
}
