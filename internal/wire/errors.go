package wire

import (
	"errors"
	"fmt"
	"reflect"
)

var (
	// ErrUnencodable: a type or a value of which something would be lost on the way
	// to another process.
	ErrUnencodable = errors.New("cannot be sent without loss")

	// ErrMalformed: bytes that are no value of the type.
	ErrMalformed = errors.New("malformed message")
)

// An UnencodableError says which part of a type or of a value would be lost.
// errors.Is(err, ErrUnencodable) holds.
type UnencodableError struct {
	Type   reflect.Type // that was to be sent
	Path   string       // from its name to the part, such as "Config.Items[].Done"
	Part   reflect.Type // the part's type
	Reason string       // why, and what to do instead
}

func (e *UnencodableError) Error() string {
	return fmt.Sprintf("%s (%v) %v: %s", e.Path, e.Part, ErrUnencodable, e.Reason)
}

// Unwrap returns ErrUnencodable.
func (e *UnencodableError) Unwrap() error { return ErrUnencodable }

func malformed(t reflect.Type, format string, args ...any) error {
	return fmt.Errorf("wire: %w: %s, wanted a %v", ErrMalformed, fmt.Sprintf(format, args...), t)
}
