// Package ours is mp: what it promises to be fast at, as its users would write it.
package ours
