#include "textflag.h"

// func storeRelease(word *atomic.Uint64, v uint64)
TEXT ·storeRelease(SB), NOSPLIT, $0-16
	MOVQ word+0(FP), AX
	MOVQ v+8(FP), CX
	MOVQ CX, (AX) // a release: amd64 keeps stores in their order (SDM 3, 9.2.2)
	RET
