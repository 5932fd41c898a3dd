package mp_test

import (
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// What is freed is free for others at once.
func ExampleMemoryStats() {
	a, err := mp.NewArray[int](1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	var before, after mp.MemoryUse
	before = mp.MemoryStats()
	fmt.Println(a.Free())
	after = mp.MemoryStats()
	fmt.Println("8 MiB less:", before.Bytes-after.Bytes >= 8<<20)
	fmt.Println("a block less:", after.Blocks < before.Blocks)
	// Output:
	// <nil>
	// 8 MiB less: true
	// a block less: true
}
