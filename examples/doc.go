// Package examples has no code. The programs in the folders below it show the library,
// each by one thing that people know from Python's multiprocessing:
//
//	process       start and wait; functions and types, arguments, results, exit codes
//	identity      who is who: current process, parent, children
//	daemon        background work that ends with its parent
//	pool          Call, Map, MapSeq, Go, and a progress bar
//	queue         producers and consumers
//	joinable      messages that are acknowledged, or delivered again
//	pipe          question and answer
//	value         a counter and a struct in shared memory
//	array         a picture in shared memory, blurred by several processes
//	ticket        one stock, many buyers: Mutex, and a repair after a kill
//	ktv           a room for four: BoundedSemaphore
//	trafficlight  Event
//	barrier       Barrier
//	condition     Cond
//	chat          a server with a process for each connection
//	crash         native code that crashes costs one task
//	pythonshare   memory that a Python process sees, too
//	wordcount     a complete program: the words of a source tree
//
// Each says in the comment at its top what it shows, what that is called in Python, and
// what it prints. It is run by its name, as in
//
//	go run ./examples/process
//
// and has flags, which -h shows. Ctrl-C ends it and all of its processes. It exits with 0
// if all went well, 1 if not, 2 if the flags make no sense, and 130 if interrupted.
package examples
