package sys

// systemCall is the instruction that enters the kernel: SVC #0.
const systemCall = "\x01\x00\x00\xd4"
