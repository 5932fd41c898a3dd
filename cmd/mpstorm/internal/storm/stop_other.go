//go:build !unix

package storm

import (
	"errors"

	"github.com/mpgo/mp"
)

// stop stops a process until goOn.
func stop(*mp.Process) error { return errors.ErrUnsupported }

// goOn lets a stopped process go on.
func goOn(*mp.Process) error { return errors.ErrUnsupported }
