package sys

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// systemCall is the instruction that enters the kernel: SYSCALL.
const systemCall = "\x0f\x05"

// The processor's debug registers: where the first of four addresses and what is done
// about them are in the kernel's struct user (arch/x86/include/asm/user_64.h).
const (
	debugAddress = 848
	debugControl = debugAddress + 7*8
)

// breakFirst has the thread stop before it executes the instruction at the first address.
const breakFirst = 1

func breakAt(tid int, pc uint64) error {
	if err := pokeUser(tid, debugAddress, pc); err != nil {
		return err
	}
	return pokeUser(tid, debugControl, breakFirst)
}

func breakNowhere(tid int) error { return pokeUser(tid, debugControl, 0) }

func pokeUser(tid int, offset uintptr, word uint64) error {
	if _, err := unix.PtracePokeUser(tid, offset, binary.LittleEndian.AppendUint64(nil, word)); err != nil {
		return fmt.Errorf("sys: ptrace(PTRACE_POKEUSER, %d): %w", tid, err)
	}
	return nil
}
