// Package stepkill kills a process at an instruction of the caller's choice.
//
// The process, the victim, is a child of the test. It offers an operation of one
// goroutine (Offer). The test takes the goroutine's thread (Take), waits for the
// beginning of the operation (Begin), and has the thread execute some instructions
// (Step). Then it kills the process (Kill), and looks what the others make of that.
// When it does so for every number of instructions, the process has been killed between
// any two of them.
//
// From Take on, all other threads of the victim stand still, but for the first one,
// which cannot be traced. So neither Go's scheduler nor its garbage collector comes in
// between, and each run executes the same instructions. For the same reason the victim
// should be started with Quiet in its environment.
//
// On arm64 without the atomic instructions of ARMv8.1 no operation would end: a pair
// of load-exclusive and store-exclusive never succeeds when it is stepped through.
package stepkill
