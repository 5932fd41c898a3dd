package ipc

import (
	"runtime"
	"unsafe"
)

// placesTell reports whether a goroutine.Place tells goroutines apart in this build. It does
// not if the compiler has variables whose address is taken on the heap, as with some of its
// checks; and not safely if it does not inline, as for a debugger: then what is called
// from (1) to (6) of a favour might move the stack. Programs may be built otherwise than this
// package, and have Conn.Send and RecvInto compiled so: all that these call in between has the
// pragma nosplit, and they have nocheckptr, as those checks are calls.
var placesTell = onTheStack() && inlines()

// onTheStack reports whether a variable is where it was in a call before.
func onTheStack() bool {
	first := addressHere()
	return addressHere() == first
}

//go:noinline
func addressHere() uintptr {
	var here byte
	// SAFETY: the number is compared only.
	return uintptr(unsafe.Pointer(&here))
}

// inlines reports whether callerHere was inlined into it: then it is the function that has the
// code (see runtime.FuncForPC).
//
//go:noinline
func inlines() bool {
	pc, _, _, _ := runtime.Caller(0)
	return runtime.FuncForPC(pc).Entry() == runtime.FuncForPC(callerHere()).Entry()
}

func callerHere() uintptr {
	pc, _, _, _ := runtime.Caller(0)
	return pc
}
