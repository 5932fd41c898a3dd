package side

// A Sample is what one pass of one side gave. Times are in nanoseconds, sizes in
// bytes, rates by the second.
type Sample struct {
	Figure float64 `json:"figure"`
	P99    float64 `json:"p99,omitempty"`   // 99 % are not worse; 0: there are no single operations
	Count  int     `json:"count,omitempty"` // operations, or messages; none: the time was too short
	Never  bool    `json:"never,omitempty"` // what is measured does not happen at all
	Note   string  `json:"note,omitempty"`
}
