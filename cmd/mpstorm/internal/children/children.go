// Package children ends the processes that a command has started.
package children

import "github.com/mpgo/mp"

// End ends every process that is left, with its descendants, whatever has happened,
// and returns when those that this process started are gone.
func End() {
	for _, p := range mp.ActiveChildren() {
		_ = p.KillTree() // it may have ended just now
	}
	for _, p := range mp.ActiveChildren() {
		<-p.Done()
	}
}
