package wire

// On amd64, Go's copy of a megabyte or more goes round the caches of most CPUs (runtime,
// memmove_amd64.s), since a copy so long may be for later. A message is for now: its reader is
// the next one to touch it, mostly from another CPU of the same cache. So it is copied in pieces,
// unless it is so long that no cache would have all of it anyway.
const (
	copyPiece = 256 << 10
	copyMost  = 8 << 20
)

// copyMessage is copy for the content of a message; the two do not overlap.
func copyMessage(dst, src []byte) {
	if len(src) > copyMost {
		copy(dst, src)
		return
	}
	for len(src) > 0 && len(dst) > 0 {
		n := copy(dst, src[:min(copyPiece, len(src))])
		dst, src = dst[n:], src[n:]
	}
}

// appendMessage is append likewise.
func appendMessage(dst, src []byte) []byte {
	n := len(dst)
	if cap(dst)-n < len(src) {
		return append(dst, src...)
	}
	dst = dst[:n+len(src)]
	copyMessage(dst[n:], src)
	return dst
}
