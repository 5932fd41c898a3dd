package connection

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/mpgo/mp"
)

// DefaultMessageLimit is the longest message, in bytes, that is received without
// WithMessageLimit.
const DefaultMessageLimit = 1 << 30

// An Option changes how Listen, Dial and Attach work.
type Option func(*settings)

type settings struct {
	key      []byte
	keyed    bool // WithKey was given
	open     bool // WithoutKey was
	md5      bool
	limit    int
	rejected func(net.Addr, error)
}

// WithKey has both sides prove to each other that they know the key, by which of Python's
// digests the other side chooses, MD5 excepted. The key is some secret bytes; 32 of
// crypto/rand, say. Python: authkey.
func WithKey(key []byte) Option {
	return func(s *settings) { s.key, s.keyed = slices.Clone(key), true }
}

// WithoutKey lets everybody connect, and trusts whoever is connected to. It has to be said.
// Python: authkey=None, which is the default.
func WithoutKey() Option {
	return func(s *settings) { s.open = true }
}

// WithMD5 also takes HMAC-MD5 for a proof that the peer knows the key, and gives it: for
// Python before 3.12, which has nothing else.
func WithMD5() Option {
	return func(s *settings) { s.md5 = true }
}

// WithMessageLimit refuses messages of more bytes, encoded, with mp.ErrTooLarge, both
// Send's and Recv's; the latter ends the connection. DefaultMessageLimit otherwise. Python:
// recv_bytes(maxlength).
func WithMessageLimit(bytes int) Option {
	return func(s *settings) { s.limit = bytes }
}

// WithRejected has a Listener call f when it has refused a peer, with its address and why:
// mp.ErrAuthentication, or that it went away or took too long. Each call is a goroutine of
// its own; Close does not wait for them.
func WithRejected(f func(peer net.Addr, err error)) Option {
	return func(s *settings) { s.rejected = f }
}

func newSettings(opts []Option) (*settings, error) {
	s := &settings{limit: DefaultMessageLimit, rejected: func(net.Addr, error) {}}
	for _, set := range opts {
		set(s)
	}
	if s.limit < 1 {
		return nil, fmt.Errorf("WithMessageLimit(%d); it must be at least 1", s.limit)
	}
	if s.rejected == nil {
		return nil, errors.New("WithRejected without a function")
	}
	return s, nil
}

// authenticates is an error unless it was said whether there is a key.
func (s *settings) authenticates() error {
	switch {
	case s.keyed && s.open:
		return errors.New("both WithKey and WithoutKey were given")
	case s.keyed && len(s.key) == 0:
		return fmt.Errorf("WithKey with an empty key, which everybody knows: %w", mp.ErrAuthentication)
	case !s.keyed && !s.open:
		return fmt.Errorf("a key is needed (WithKey), or WithoutKey if everybody may connect: %w", mp.ErrAuthentication)
	}
	return nil
}
