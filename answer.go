package mp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// An answer is what a registered function's call came to, on its way back:
// one byte that says which, and then the encoded result or failure.
type answer struct {
	bytes   []byte
	handles []wire.Handle // that the result contains
	parcel  *shm.Object   // that bytes lie in, or nil
}

// First byte of an answer.
const (
	answerValue = 1 + iota
	answerError
	answerPanic
)

// A failure is the body of an answer that is no value.
type failure struct {
	Message string
	Type    string
	Stack   string
	Known   []int // indices into wellKnown
	Errno   int
}

var failureCodec = sync.OnceValue(func() *wire.Codec[failure] {
	c, err := wire.For[failure]("failure")
	if err != nil {
		panic(err)
	}
	return c
})

func errorAnswer(err error) answer {
	f := failure{Message: err.Error(), Type: fmt.Sprintf("%T", err)}
	f.Known, f.Errno = identities(err)
	return failureAnswer(answerError, f)
}

func panicAnswer(value any, stack []byte) answer {
	return failureAnswer(answerPanic, failure{Message: fmt.Sprint(value), Type: fmt.Sprintf("%T", value), Stack: string(stack)})
}

func failureAnswer(kind byte, f failure) answer {
	b, err := failureCodec().Append([]byte{kind}, f)
	if err != nil {
		b = []byte{kind} // decodes to a failure without words
	}
	return answer{bytes: b}
}

// valueAnswer encodes a result, or says why it cannot.
func valueAnswer[Out any](c *wire.Codec[Out], v Out) answer {
	return appendValue(nil, nil, c, v)
}

// readAnswer decodes an answer to a call of the named function.
func readAnswer[Out any](c *wire.Codec[Out], name string, b []byte) (Out, error) {
	var none Out
	if err := answerErr(name, b); err != nil {
		return none, err
	}
	v, err := c.Decode(b[1:])
	if err != nil {
		return none, fmt.Errorf("mp: the result of %q: %w", name, err)
	}
	return v, nil
}

// answerErr is the error that the answer tells of, nil for a value.
func answerErr(name string, b []byte) error {
	if len(b) > 0 && b[0] == answerValue {
		return nil
	}
	if len(b) == 0 || b[0] > answerPanic {
		return fmt.Errorf("mp: the answer of %q: %w", name, shm.ErrDamaged)
	}
	f, err := failureCodec().Decode(b[1:])
	if err != nil {
		f.Message = "an error that cannot be read here: " + err.Error()
	}
	if b[0] == answerPanic {
		return &PanicError{Func: name, Value: f.Message, Stack: f.Stack}
	}
	return &RemoteError{Func: name, Message: f.Message, Type: f.Type, known: knownErrors(f.Known, f.Errno)}
}

// guarded calls f and turns a panic into an answer. A function that ends its
// goroutine with runtime.Goexit gets an answer, too.
func guarded(f func() answer) (result answer) {
	done := make(chan answer, 1)
	go func() {
		result := errorAnswer(errors.New("the function ended its goroutine without returning (runtime.Goexit)"))
		defer func() {
			if v := recover(); v != nil {
				result = panicAnswer(v, debug.Stack())
			}
			done <- result
		}()
		result = f()
	}()
	return <-done
}

// prepare decodes the arguments of a call, and returns the call.
func prepare[In, Out any](f *Func[In, Out], arg []byte) (func(context.Context) answer, error) {
	in, err := f.in.Decode(arg)
	if err != nil {
		return nil, fmt.Errorf("the argument cannot be read: %w", err)
	}
	return func(ctx context.Context) answer {
		out, err := f.f(ctx, in)
		if err != nil {
			return errorAnswer(err)
		}
		return valueAnswer(f.out, out)
	}, nil
}
