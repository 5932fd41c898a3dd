//go:build !amd64 && !arm64

package spin

// Pause passes a little time, n times as much as once.
//
//go:nosplit
//go:noinline
func Pause(n int) {
	for range n {
		pass()
	}
}

// pass is a call, which the compiler cannot leave out.
//
//go:nosplit
//go:noinline
func pass() {}
