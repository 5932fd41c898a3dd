// Package race tells whether the program was built with the race detector.
package race
