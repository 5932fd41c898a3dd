package wire_test

import (
	"encoding"
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

type (
	bag[T any] struct {
		Label  string
		Inside T
	}
	config struct {
		Items []bag[func()]
	}
	hidden struct{ Name, note string }
	left   struct{ A, B string }
	right  struct{ B, C string }
	twice  struct {
		left
		right
	}
	unexported struct{ Name string }
	linked     struct{ *unexported }
	fixes      struct {
		*Fixed
		N int
	}
	// Fixed is exported, so that a pointer to it can be embedded and set.
	Fixed   struct{ Name string }
	round   *round
	stamped struct {
		time.Time
		Name string
	}
	halfway struct {
		time.Time
		Name string
	}
	torn struct {
		time.Time
		netip.Addr
	}
	locked struct {
		*object
		Name string
	}
)

var _ = hidden{note: "is what would be lost"}

// writeOnly can be written and not read, readOnly the reverse.
type (
	writeOnly struct{ Name string }
	readOnly  struct{ Name string }
)

// halfway reads as its embedded time does.
func (h halfway) MarshalBinary() ([]byte, error) { return []byte(h.Name), nil }

func (writeOnly) MarshalText() ([]byte, error)      { return nil, nil }
func (*readOnly) UnmarshalBinary(data []byte) error { return nil }

func TestTypesThatWouldLoseSomethingAreRefusedWithThePath(t *testing.T) {
	for _, c := range []struct {
		err  error
		path string
		part reflect.Type
		says string
	}{
		refused[func()]("func()", "register it"),
		refused[chan int]("chan int", "Queue"),
		refused[any]("interface {}", "concrete type"),
		refused[error]("error", "concrete type"),
		refused[*uintptr]("*uintptr", "address"),
		refused[config]("config.Items[].Inside", "register it"),
		refused[[]config]("[]wire_test.config[].Items[].Inside", "register it"),
		refused[map[string]config]("map[string]wire_test.config[].Items[].Inside", "register it"),
		refused[map[string]any]("map[string]interface {}[]", "concrete type"),
		refused[map[bag[any]]int]("map[wire_test.bag[interface {}]]int[key].Inside", "concrete type"),
		refused[map[*string]int]("map[*string]int[key]", "as the key"),
		refused[map[bag[[1]*string]]int]("map[wire_test.bag[[1]*string]]int[key]", "as the key"),
		refused[bag[complex128]]("bag[complex128].Inside", "[2]float64"),
		refused[bag[[]complex64]]("bag[[]complex64].Inside[]", "[2]float64"),
		refused[bag[uintptr]]("bag[uintptr].Inside", "address"),
		refused[bag[[0]func()]]("bag[[0]func()].Inside[]", "register it"),
		refused[hidden]("hidden.note", "export it"),
		refused[*hidden]("*wire_test.hidden.note", "export it"),
		refused[bag[sync.Mutex]]("", "export it"),
		refused[bag[struct{ x, y int }]]("", "export it"),
		refused[struct {
			A string `json:"-"`
		}]("", "leaves it out"),
		refused[struct {
			A string `json:"a" cbor:"-"`
		}]("", "leaves it out"),
		refused[struct {
			A string `json:"n"`
			B string `cbor:"n"`
		}]("", "same name"),
		refused[struct {
			A string `cbor:"1,keyasint"`
			B string `cbor:"01,keyasint"`
		}]("", "same name"),
		refused[struct {
			A string `cbor:"one,keyasint"`
		}]("", "number"),
		refused[struct {
			unexported `cbor:"u"`
		}]("", "export it"),
		refused[twice]("twice.right.B", "twice.left.B has the same name"),
		refused[linked]("linked.unexported", "export it"),
		refused[fixes]("fixes.Fixed", "embedded pointer"),
		refused[bag[round]]("bag[github.com/mpgo/mp/internal/wire_test.round].Inside", "pointer to itself"),
		refused[stamped]("stamped", "is that of the embedded time.Time"),
		refused[[]stamped]("[]wire_test.stamped[]", "give the field a name"),
		refused[halfway]("halfway", "is that of the embedded time.Time"),
		refused[torn]("torn.Time.wall", "export it"),
		refused[locked]("locked", "UnmarshalCBOR is that of the embedded *wire_test.object"),
		refused[struct{ *object }]("", "UnmarshalCBOR is that of the embedded *wire_test.object"),
		refused[bag[object]]("bag[github.com/mpgo/mp/internal/wire_test.object].Inside", "use *wire_test.object"),
		refused[bag[writeOnly]]("bag[github.com/mpgo/mp/internal/wire_test.writeOnly].Inside", "no UnmarshalText"),
		refused[bag[readOnly]]("bag[github.com/mpgo/mp/internal/wire_test.readOnly].Inside", "no MarshalBinary"),
		refused[*big.Float]("*big.Float", "precision"),
		refused[[]*time.Location]("[]*time.Location[].name", "export it"),
	} {
		t.Run(c.part.String(), func(t *testing.T) {
			require.ErrorIs(t, c.err, wire.ErrUnencodable)
			var e *wire.UnencodableError
			require.ErrorAs(t, c.err, &e)
			require.Equal(t, c.part, e.Type)
			if c.path != "" {
				require.Equal(t, c.path, e.Path)
			}
			require.ErrorContains(t, c.err, e.Path)
			require.Contains(t, e.Reason, c.says)
		})
	}
}

func refused[T any](path, says string) struct {
	err  error
	path string
	part reflect.Type
	says string
} {
	_, err := wire.For[T]("argument")
	return struct {
		err  error
		path string
		part reflect.Type
		says string
	}{err, path, reflect.TypeFor[T](), says}
}

func TestTheErrorSaysWhatTheTypeIsFor(t *testing.T) {
	for range 2 { // the second is from the cache
		_, err := wire.For[config]("argument")
		require.EqualError(t, err, "argument of type wire_test.config: config.Items[].Inside (func()) cannot be sent without loss: "+
			"a function cannot leave its process; register it and send its name")
	}
	_, err := wire.For[config]("result")
	require.ErrorContains(t, err, "result of type")
}

type tree struct {
	Name string
	Kids []*tree
}

func TestAValueThatContainsItselfIsAnError(t *testing.T) {
	c := codec[*tree](t)
	v := &tree{Name: "root"}
	v.Kids = []*tree{{Name: "leaf"}, v}
	b, err := c.Append([]byte("before"), v)
	require.ErrorIs(t, err, wire.ErrUnencodable)
	require.ErrorContains(t, err, "does it contain itself?")
	require.Equal(t, "before", string(b))
}

func TestValuesThatWouldNotArriveAreRefusedWithThePath(t *testing.T) {
	amsterdam := time.FixedZone("LMT", 1172)
	for name, c := range map[string]struct {
		err  error
		path string
	}{
		"pointer to nil pointer": {appending(t, []**int{new(*int)}), "[]**int[]"},
		"pointer to nil slice":   {appending(t, bag[*[]string]{Inside: new([]string)}), "bag[*[]string].Inside"},
		"pointer to nil map":     {appending(t, map[string]*map[int]string{"x": new(map[int]string)}), "map[string]*map[int]string[]"},
		"pointer to zero time":   {appending(t, bag[*time.Time]{Inside: new(time.Time)}), "bag[*time.Time].Inside"},
		"fifth digit of a year":  {appending(t, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), "Time"},
		"before year zero":       {appending(t, []time.Time{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}), "[]time.Time[]"},
		"seconds of an offset":   {appending(t, time.Date(1900, 1, 1, 0, 0, 0, 0, amsterdam)), "Time"},
		"offset of a day":        {appending(t, time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", 86400))), "Time"},
		"key":                    {appending(t, map[time.Time]string{time.Date(1900, 1, 1, 0, 0, 0, 0, amsterdam): ""}), "map[time.Time]string[key]"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.err, wire.ErrUnencodable)
			var e *wire.UnencodableError
			require.ErrorAs(t, c.err, &e)
			require.Equal(t, c.path, e.Path)
		})
	}
}

// failing has an error of its own to tell.
type failing struct{ Name string }

var errFailing = errors.New("no luck")

var _ encoding.BinaryMarshaler = failing{}

func (failing) MarshalBinary() ([]byte, error)  { return nil, errFailing }
func (*failing) UnmarshalBinary(b []byte) error { panic("unprepared for " + string(b)) }

func TestErrorsOfMarshalersComeThrough(t *testing.T) {
	require.ErrorIs(t, appending(t, bag[failing]{}), errFailing)

	obj := newObject(0)
	require.ErrorIs(t, appending(t, bag[*object]{Inside: obj}), shm.ErrClosed)
}

func TestPanicsOfUnmarshalersAreErrors(t *testing.T) {
	_, err := codec[*failing](t).Decode([]byte{0x43, 'b', 'a', 'd'})
	require.ErrorIs(t, err, wire.ErrMalformed)
	require.ErrorContains(t, err, "unprepared for bad")
}

func codec[T any](t testing.TB) *wire.Codec[T] {
	c, err := wire.For[T]("value")
	require.NoError(t, err)
	return c
}

func appending[T any](t testing.TB, v T) error {
	_, err := codec[T](t).Append(nil, v)
	return err
}
