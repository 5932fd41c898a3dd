// Package prefetch asks the CPU for memory before it is needed.
package prefetch
