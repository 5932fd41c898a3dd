package connection

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/mpgo/mp"
)

// A handshake proves to both sides that the other one knows the key, without telling it:
// each challenges the other with random bytes, and the answer is their HMAC (RFC 2104). The
// Listener challenges first. Each line is a frame of at most 256 bytes:
//
//	challenger:  #CHALLENGE#{sha256} and 40 random bytes
//	other:       {digest} and the HMAC of all that follows #CHALLENGE#
//	challenger:  #WELCOME#, or #FAILURE#
//
// The proofs are of whoever has the key, not of whoever is at the other end: a stranger who
// is dialled by two that have it may pass the question of one on to the other. Within one
// process that is noticed: who dials does not answer what somebody who dials has asked.
//
// That is Python's since 3.12 (Lib/multiprocessing/connection.py, deliver_challenge and
// answer_challenge). Older ones challenge with 20 bytes without a digest's name, and
// answer with the bare HMAC-MD5, 16 bytes.
type handshake struct {
	key   []byte
	md5   bool // may be used
	in    *inflow
	out   *outflow
	dials bool // asDialler
}

const (
	challengePrefix = "#CHALLENGE#"
	welcome         = "#WELCOME#"
	failure         = "#FAILURE#"

	longestLine    = 256
	challengeBytes = 40
	oldChallenge   = 20
	preferred      = "sha256"
)

// asListener is the handshake of the side that accepts.
func (h *handshake) asListener(ctx context.Context) error {
	err := h.challenge(ctx)
	if err == nil {
		err = h.answer(ctx)
	}
	return explain(err)
}

// asDialler is the handshake of the side that dials.
func (h *handshake) asDialler(ctx context.Context) error {
	h.dials = true
	err := h.answer(ctx)
	if err == nil {
		err = h.challenge(ctx)
	}
	return explain(err)
}

// explain says what an error means in a handshake.
func explain(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
		return fmt.Errorf("the peer went away in the handshake: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, mp.ErrTooLarge), errors.Is(err, ErrProtocol):
		return fmt.Errorf("%w: %w", mp.ErrAuthentication, err)
	}
	return err
}

// challenge has the peer prove that it knows the key.
func (h *handshake) challenge(ctx context.Context) error {
	question := make([]byte, challengeBytes)
	if _, err := rand.Read(question); err != nil {
		return err
	}
	question = append([]byte("{"+preferred+"}"), question...)
	if h.dials {
		asked.Store(string(question), nil)
		defer asked.Delete(string(question))
	}
	if err := h.out.send(ctx, append([]byte(challengePrefix), question...)); err != nil {
		return err
	}
	proof, err := h.hear(ctx)
	if err != nil {
		return err
	}
	if err := h.check(question, proof); err != nil {
		_ = h.out.send(ctx, []byte(failure))
		return err
	}
	return h.out.send(ctx, []byte(welcome))
}

// asked are the questions of those who dial in this process, until they are answered.
var asked sync.Map

// check is an error unless proof is one that whoever gave it knows the key.
func (h *handshake) check(question, proof []byte) error {
	name, sum := digestOf(proof)
	if len(proof) == md5.Size { // whatever it begins with
		name, sum = oldDigest, proof
	}
	digest, err := h.digest(name)
	if err != nil {
		return err
	}
	if !hmac.Equal(sum, h.sum(digest, question)) {
		return fmt.Errorf("the peer has another key: %w", mp.ErrAuthentication)
	}
	return nil
}

// answer proves to the peer that this side knows the key.
func (h *handshake) answer(ctx context.Context) error {
	line, err := h.hear(ctx)
	if err != nil {
		return err
	}
	question, ok := bytes.CutPrefix(line, []byte(challengePrefix))
	if !ok || len(question) < oldChallenge {
		return fmt.Errorf("the peer does not ask for a proof of the key: %w", mp.ErrAuthentication)
	}
	proof, err := h.prove(question)
	if err != nil {
		return err
	}
	if err := h.out.send(ctx, proof); err != nil {
		return err
	}
	if line, err = h.hear(ctx); err != nil {
		return err
	}
	if string(line) != welcome {
		return fmt.Errorf("the peer refused the key of this side: %w", mp.ErrAuthentication)
	}
	return nil
}

// prove is the answer to a question.
func (h *handshake) prove(question []byte) ([]byte, error) {
	if _, mine := asked.Load(string(question)); mine && h.dials {
		return nil, fmt.Errorf("the peer passes on a question of this process: %w", mp.ErrAuthentication)
	}
	name, _ := digestOf(question)
	if len(question) == oldChallenge { // whatever it begins with
		digest, err := h.digest(oldDigest)
		if err != nil {
			return nil, err
		}
		return h.sum(digest, question), nil
	}
	digest, err := h.digest(name)
	if err != nil {
		return nil, err
	}
	return append([]byte("{"+name+"}"), h.sum(digest, question)...), nil
}

func (h *handshake) sum(digest func() hash.Hash, question []byte) []byte {
	mac := hmac.New(digest, h.key)
	mac.Write(question)
	return mac.Sum(nil)
}

// hear receives a line.
func (h *handshake) hear(ctx context.Context) ([]byte, error) { return h.in.next(ctx, longestLine) }

// oldDigest is the one that Python had before 3.12.
const oldDigest = "md5"

// digests are those that Python knows, by its names, save the old one.
var digests = map[string]func() hash.Hash{
	preferred:  sha256.New,
	"sha384":   sha512.New384,
	"sha3_256": func() hash.Hash { return sha3.New256() },
	"sha3_384": func() hash.Hash { return sha3.New384() },
}

// digest is a digest that may be used.
func (h *handshake) digest(name string) (func() hash.Hash, error) {
	if name == oldDigest {
		if !h.md5 {
			return nil, fmt.Errorf("the peer, a Python before 3.12 perhaps, wants HMAC-MD5, which WithMD5 allows: %w", mp.ErrAuthentication)
		}
		return md5.New, nil
	}
	if d := digests[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("the peer names no digest that is known here: %w", mp.ErrAuthentication)
}

// digestOf cuts a line into the name of the digest, in braces, and what follows; the name
// is empty if there is none.
func digestOf(line []byte) (name string, rest []byte) {
	after, ok := bytes.CutPrefix(line, []byte("{"))
	if !ok {
		return "", line
	}
	in, rest, ok := bytes.Cut(after, []byte("}"))
	if !ok {
		return "", line
	}
	return string(in), rest
}
