package shm_test

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

type (
	celsius float64
	point   struct{ x, y int16 }
	item    struct {
		Name  string
		Price int
	}
	config struct {
		Limit int
		Items [4]item
	}
	box[T any] struct{ Inside T }
	embeds     struct {
		point
		box[map[string]int]
	}
)

// Nothing but their types is looked at.
var _ = embeds{point: point{x: 1, y: 2}}

// The type unsafe.Pointer, without the package.
var unsafePointer = reflect.TypeOf(reflect.Value.UnsafePointer).Out(0)

func TestPlainTypes(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
		reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](),
		reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](),
		reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
		reflect.TypeFor[celsius](), reflect.TypeFor[time.Duration](), reflect.TypeFor[[3][4]byte](),
		reflect.TypeFor[struct{}](), reflect.TypeFor[point](), reflect.TypeFor[box[[2]point]](),
		reflect.TypeFor[atomic.Uint64](), reflect.TypeFor[atomic.Bool](),
		reflect.TypeFor[struct {
			_ [0]func()
			N int
		}](),
	} {
		t.Run(typ.String(), func(t *testing.T) { require.NoError(t, shm.CheckPlain(typ)) })
	}
}

func TestNotPlainTypesAreNamedWithTheirPath(t *testing.T) {
	for _, c := range []struct {
		typ  reflect.Type
		path string
		kind reflect.Kind
	}{
		{reflect.TypeFor[string](), "string", reflect.String},
		{reflect.TypeFor[[]int](), "[]int", reflect.Slice},
		{reflect.TypeFor[*int](), "*int", reflect.Pointer},
		{reflect.TypeFor[map[int]int](), "map[int]int", reflect.Map},
		{reflect.TypeFor[any](), "interface {}", reflect.Interface},
		{reflect.TypeFor[error](), "error", reflect.Interface},
		{reflect.TypeFor[chan int](), "chan int", reflect.Chan},
		{reflect.TypeFor[func()](), "func()", reflect.Func},
		{reflect.TypeFor[uintptr](), "uintptr", reflect.Uintptr},
		{unsafePointer, "Pointer", reflect.UnsafePointer},
		{reflect.TypeFor[config](), "config.Items[].Name", reflect.String},
		{reflect.TypeFor[[2]config](), "[2]shm_test.config[].Items[].Name", reflect.String},
		{reflect.TypeFor[box[chan int]](), "box[chan int].Inside", reflect.Chan},
		{reflect.TypeFor[embeds](), "embeds.box.Inside", reflect.Map},
		{reflect.TypeFor[time.Time](), "Time.loc", reflect.Pointer},
		{reflect.TypeFor[atomic.Pointer[int]](), "Pointer[int].v", reflect.UnsafePointer},
		{reflect.TypeFor[box[sync.Mutex]](), "box[sync.Mutex].Inside", reflect.Struct},
		{reflect.TypeFor[box[sync.WaitGroup]](), "box[sync.WaitGroup].Inside", reflect.Struct},
	} {
		t.Run(c.typ.String(), func(t *testing.T) {
			err := shm.CheckPlain(c.typ)
			require.ErrorIs(t, err, shm.ErrNotPlain)
			var e *shm.NotPlainError
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.typ, e.Type)
			require.Equal(t, c.path, e.Path)
			require.Equal(t, c.kind, e.Kind)
			require.ErrorContains(t, err, c.path)
		})
	}
	require.ErrorIs(t, shm.CheckPlain(nil), shm.ErrNotPlain)
}

func TestNotPlainErrorSaysWhatToDo(t *testing.T) {
	require.EqualError(t, shm.CheckPlain(reflect.TypeFor[config]()),
		"shm: config.Items[].Name is a string: not a plain type: a string has no fixed size; use an array such as [64]byte")
}

func TestTypeHashTellsTypesApart(t *testing.T) {
	type local struct{ A, B int32 }
	type swapped struct{ B, A int32 }
	type node struct{ Next *node }
	hashes := make(map[uint32]reflect.Type)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[int64](), reflect.TypeFor[uint64](), reflect.TypeFor[celsius](),
		reflect.TypeFor[local](), reflect.TypeFor[swapped](), reflect.TypeFor[point](), reflect.TypeFor[node](),
		reflect.TypeFor[struct{ A, B int32 }](), reflect.TypeFor[struct {
			A int32 `cbor:"a"`
			B int32
		}](),
		reflect.TypeFor[[3]int](), reflect.TypeFor[[4]int](), reflect.TypeFor[[]int](), reflect.TypeFor[*int](),
		reflect.TypeFor[map[int]string](), reflect.TypeFor[map[string]int](),
		reflect.TypeFor[chan int](), reflect.TypeFor[<-chan int](),
		reflect.TypeFor[box[int]](), reflect.TypeFor[box[uint]](),
		reflect.TypeFor[func(int) string](), reflect.TypeFor[func(string) int](), reflect.TypeFor[func(int, string)](),
		reflect.TypeFor[func(...int)](), reflect.TypeFor[func([]int)](),
		reflect.TypeFor[interface{ M() }](), reflect.TypeFor[interface{ N() }](), reflect.TypeFor[any](), reflect.TypeFor[error](),
	} {
		h := shm.TypeHash(typ)
		require.NotZero(t, h)
		require.Equal(t, h, shm.TypeHash(typ))
		require.NotContains(t, hashes, h, "%v and %v", typ, hashes[h])
		hashes[h] = typ
	}
}

func TestTypeHashIsTheSameInEveryBuild(t *testing.T) {
	require.Equal(t, uint32(0xc445969f), shm.TypeHash(reflect.TypeFor[[4]uint64]()))
}
