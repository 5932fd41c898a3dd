package mp_test

import (
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// What is freed is free for others at once.
func ExampleMemoryStats() {
	var before, during mp.MemoryUse
	before = mp.MemoryStats()
	a, err := mp.NewArray[int](1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	during = mp.MemoryStats()
	fmt.Println("8 MiB more:", during.Bytes-before.Bytes >= 8<<20)
	fmt.Println(a.Free(), mp.MemoryStats().Bytes < during.Bytes)
	// Output:
	// 8 MiB more: true
	// <nil> true
}
