#include "textflag.h"

// func ForWriting(p unsafe.Pointer, n int, every uintptr)
//
// PREFETCHW (0F 0D /1) is a hint: CPUs that do not know it do nothing.
TEXT ·ForWriting(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), CX
	MOVQ every+16(FP), DX
	TESTQ CX, CX
	JLE done
again:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX)
	ADDQ DX, AX
	DECQ CX
	JNZ again
done:
	RET

// func ForReading(p unsafe.Pointer, n int, every uintptr)
TEXT ·ForReading(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), CX
	MOVQ every+16(FP), DX
	TESTQ CX, CX
	JLE done
again:
	PREFETCHT0 (AX)
	ADDQ DX, AX
	DECQ CX
	JNZ again
done:
	RET
