// Package plain is what Go itself has to offer: channels within one process for
// scale, and between processes os.Pipe, unix sockets, net/rpc, flock, futexes and os/exec.
package plain
