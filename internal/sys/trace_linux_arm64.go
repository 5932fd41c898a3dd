package sys

import "errors"

// systemCall is the instruction that enters the kernel: SVC #0.
const systemCall = "\x01\x00\x00\xd4"

func breakAt(int, uint64) error { return errors.ErrUnsupported }

func breakNowhere(int) error { return errors.ErrUnsupported }
