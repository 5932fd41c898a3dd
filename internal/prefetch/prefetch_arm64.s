#include "textflag.h"

// func ForWriting(p unsafe.Pointer, n int, every uintptr)
TEXT ·ForWriting(SB), NOSPLIT|NOFRAME, $0-24
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
	MOVD every+16(FP), R2
	CMP $0, R1
	BLE done
again:
	PRFM (R0), PSTL1KEEP
	ADD R2, R0
	SUBS $1, R1
	BNE again
done:
	RET

// func ForReading(p unsafe.Pointer, n int, every uintptr)
TEXT ·ForReading(SB), NOSPLIT|NOFRAME, $0-24
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
	MOVD every+16(FP), R2
	CMP $0, R1
	BLE done
again:
	PRFM (R0), PLDL1KEEP
	ADD R2, R0
	SUBS $1, R1
	BNE again
done:
	RET
