package sys

// systemCall is the instruction that enters the kernel: SYSCALL.
const systemCall = "\x0f\x05"
