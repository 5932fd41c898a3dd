package plain

import "github.com/mpgo/mp/bench/internal/side"

// InProcess is the name of what goroutines of one process do.
const InProcess = "Go in one process"

// Sides are what this package measures, by name.
func Sides() map[string]side.Works {
	return map[string]side.Works{
		InProcess:    inProcess,
		pipes.name:   pipes.works(),
		sockets.name: sockets.works(),
		rpcName:      remote,
		flockName:    fileLock,
		futexName:    bareFutex,
	}
}

// Seconds are the second processes of the sides.
func Seconds() map[string]side.Second {
	return map[string]side.Second{
		pipes.name:   pipes.second,
		sockets.name: sockets.second,
		rpcName:      rpcServer,
		flockName:    flockSecond,
		futexName:    futexSecond,
	}
}
