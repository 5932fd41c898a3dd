// Package noinit is a package whose tests start processes without a TestMain that
// calls mp.Init. The tests of mp build and run them.
package noinit
