// Package policy holds the rules of this repository that a test can check: who may
// import whom, where unsafe and system calls may be used, what the module may
// require, and that everything is documented. It has no code but its tests.
package policy
