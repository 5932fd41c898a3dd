#include "textflag.h"

// func Self() uintptr
//
// The runtime keeps the current goroutine in thread-local storage (cmd/internal/obj,
// "TLS" of amd64).
TEXT ·Self(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET
