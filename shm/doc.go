// Package shm is about memory that several processes see: what there is, who
// holds it, and what becomes of it when a process dies.
//
//   - A Segment is one mapped piece: a sealed memfd that children inherit, or a
//     Named one in /dev/shm for strangers.
//   - An Arena is the segment that a tree of processes shares: a process table, a
//     death epoch, and blocks of memory that are named by a Ref in all of them.
//   - An Object is a process's hold on one block. A block lives as long as a live
//     process holds it or an undelivered message carries it; the memory of the
//     dead comes back.
//   - CheckPlain, At, SliceAt, Put and Get view such memory as typed Go values.
//
// Any process may be killed between any two instructions; the essays above the
// types say what the others find then.
package shm
