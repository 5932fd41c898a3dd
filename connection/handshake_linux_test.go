package connection

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/testkit"
)

func count(n int) (b []byte) {
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

// What CPython 3.11 and 3.13 answer.
func TestProofsAreThoseOfPython(t *testing.T) {
	h := handshake{key: []byte("secret"), md5: true}
	proof, err := h.prove(count(20))
	require.NoError(t, err)
	require.Equal(t, "7defa9cc46abc3583325d17ccda75190", hex.EncodeToString(proof))
	question := append([]byte("{sha256}"), count(40)...)
	proof, err = h.prove(question)
	require.NoError(t, err)
	require.Equal(t, "{sha256}", string(proof[:8]))
	require.Equal(t, "fc57fbe650d6124b98215e7b5d197d5807ad69982d275a9735ea2d56f1fa6989", hex.EncodeToString(proof[8:]))
	require.NoError(t, h.check(question, proof))
	old, err := hex.DecodeString("8e48d2bb349b4b72b9382999ed5b62eb") // of a Python that knows no digests' names
	require.NoError(t, err)
	require.NoError(t, h.check(question, old))
	h.md5 = false
	require.ErrorIs(t, h.check(question, old), mp.ErrAuthentication)
	require.ErrorIs(t, h.check(question, append([]byte("{md5}"), old...)), mp.ErrAuthentication)
	_, err = h.prove(count(20))
	require.ErrorIs(t, err, mp.ErrAuthentication)
	require.ErrorContains(t, err, "WithMD5")
}

// Proofs and questions of old Pythons are told by their length, whatever they begin with.
func TestOldProofsMayLookLikeAnything(t *testing.T) {
	h := handshake{md5: true}
	question := count(20)
	for n := 0; ; n++ {
		h.key = []byte{byte(n), byte(n >> 8), byte(n >> 16)}
		proof, err := h.prove(question)
		require.NoError(t, err)
		if proof[0] == '{' && bytes.IndexByte(proof, '}') > 0 {
			require.NoError(t, h.check(question, proof))
			break
		}
	}
	proof, err := h.prove([]byte("{x}4567890123456789x"))
	require.NoError(t, err)
	require.Len(t, proof, md5.Size)
}

// A stranger is dialled twice, and has the two prove to each other what he does not know.
func TestAQuestionIsNotPassedOn(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	key := newKey(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
	dialled := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := Dial[string](ctx, "unix", l.Addr().String(), WithKey(key))
			dialled <- err
		}()
	}
	a, b := accepted(t, l), accepted(t, l)
	require.NoError(t, a.Send(ctx, []byte(challengePrefix+"{sha256}"+string(count(40)))))
	_, err := a.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, []byte(welcome)))
	question, err := a.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, b.Send(ctx, question))
	require.ErrorContains(t, <-dialled, "passes on")
	require.NoError(t, a.Close())
	require.Error(t, <-dialled)
}

func TestEachDigestProves(t *testing.T) {
	h := handshake{key: []byte("secret")}
	for name := range digests {
		question := append([]byte("{"+name+"}"), count(40)...)
		proof, err := h.prove(question)
		require.NoError(t, err)
		require.NoError(t, h.check(question, proof))
		proof[len(proof)-1] ^= 1
		require.ErrorIs(t, h.check(question, proof), mp.ErrAuthentication)
	}
	for _, bad := range []string{"", "x", "{sha256}", "{sha256", "{}", "{sha1}" + string(count(20)), "{md5}" + string(count(16)), string(count(16)), string(count(32))} {
		require.ErrorIs(t, h.check([]byte("{sha256}question"), []byte(bad)), mp.ErrAuthentication, "%q", bad)
	}
	for _, bad := range []string{"{sha1}" + string(count(40)), string(count(40)), "{" + string(count(40))} {
		_, err := h.prove([]byte(bad))
		require.ErrorIs(t, err, mp.ErrAuthentication, "%q", bad)
	}
}

func TestWhoKnowsTheKeyIsLetIn(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	a, b := aPair[string](t, WithKey(newKey(t)), WithMessageLimit(10))
	require.NoError(t, a.Send(ctx, "hello"))
	m, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", m)
}

func TestWhoDoesNotKnowTheKeyIsSentAway(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	key := newKey(t)
	rejected := make(chan error, 1)
	l := listening[string](t, place{"unix", ""}, WithKey(key), WithRejected(func(_ net.Addr, err error) { rejected <- err }))
	_, err := Dial[string](ctx, "unix", l.Addr().String(), WithKey(newKey(t)))
	require.ErrorIs(t, err, mp.ErrAuthentication)
	require.ErrorContains(t, err, "refused the key")
	require.ErrorIs(t, <-rejected, mp.ErrAuthentication)

	raw, err := net.Dial("unix", l.Addr().String()) // who says nothing at all
	require.NoError(t, err)
	require.NoError(t, raw.Close())
	require.ErrorIs(t, <-rejected, io.ErrUnexpectedEOF)

	keyless := dialled[string](t, l.Addr(), WithoutKey()) // and who does not know that there is one
	require.NoError(t, keyless.Send(ctx, "let me in"))
	require.ErrorIs(t, <-rejected, mp.ErrAuthentication)

	c := dialled[string](t, l.Addr(), WithKey(key)) // none of which was in the way
	require.NoError(t, c.Send(ctx, "hello"))
	m, err := accepted(t, l).Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", m)
}

// The listener has to prove that it knows the key as well.
func TestADiallerDoesNotTrustWhoeverListens(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	for name, lines := range map[string][]string{
		"another key":          {challengePrefix + "{sha256}" + string(count(40)), welcome, "{sha256}" + string(count(32))},
		"no challenge":         {"hello, world"},
		"a short challenge":    {challengePrefix + string(count(19))},
		"a bare challenge":     {challengePrefix},
		"an old one":           {challengePrefix + string(count(20))},
		"an unknown digest":    {challengePrefix + "{rot13}" + string(count(40))},
		"no welcome":           {challengePrefix + "{sha256}" + string(count(40)), "#WILLKOMMEN#"},
		"a refusal":            {challengePrefix + "{sha256}" + string(count(40)), failure},
		"what is far too long": {string(make([]byte, longestLine+1))},
		"an empty line":        {""},
	} {
		t.Run(name, func(t *testing.T) {
			l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
			go func() {
				c, err := l.Accept(ctx)
				if err != nil {
					return
				}
				defer c.Close()
				for _, line := range lines {
					if c.Send(ctx, []byte(line)) != nil {
						return
					}
					_, _ = c.Recv(ctx)
				}
			}()
			_, err := Dial[string](ctx, "unix", l.Addr().String(), WithKey(newKey(t)))
			require.ErrorIs(t, err, mp.ErrAuthentication)
		})
	}
}

func TestAListenerThatGoesAwayInTheHandshakeIsToldApart(t *testing.T) {
	ctx := within(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey())
	go func() {
		if c, err := l.Accept(ctx); err == nil {
			c.Close()
		}
	}()
	_, err := Dial[string](ctx, "unix", l.Addr().String(), WithKey(newKey(t)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// A stopped or stubborn peer is waited for as long as the caller wants.
func TestDialWaitsForTheHandshakeUntilItsContextEnds(t *testing.T) {
	testkit.LeakCheck(t)
	l := listening[[]byte](t, place{"unix", ""}, WithoutKey()) // says nothing
	ctx, cancel := context.WithTimeout(within(t), 5*time.Millisecond)
	defer cancel()
	_, err := Dial[string](ctx, "unix", l.Addr().String(), WithKey(newKey(t)))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte(challengePrefix+"{sha256}"), []byte("{sha256}"))
	f.Fuzz(func(t *testing.T, question, proof []byte) {
		h := handshake{key: []byte("secret"), md5: true}
		_, _ = h.prove(question)
		require.Error(t, h.check([]byte("{sha256}0123456789"), proof))
	})
}
