// Command pythonshare shares an array with a Python process, which is no child of this
// library's and knows nothing of it: a named segment is Python's SharedMemory.
//
// Python: multiprocessing.shared_memory.SharedMemory(name).
//
//	$ go run ./examples/pythonshare
//	segment psm_5c1f03aa is shared
//	python3: the sum of 1000 numbers is 499500.0
//	after it has doubled them: 999000
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
	"github.com/mpgo/mp/shm"
)

const script = `
import sys
from multiprocessing import resource_tracker, shared_memory
segment = shared_memory.SharedMemory(sys.argv[1])
resource_tracker.unregister(segment._name, "shared_memory") # or it would unlink the segment
bytes = segment.buf[:8 * int(sys.argv[2])]
numbers = bytes.cast("d")
print("the sum of", len(numbers), "numbers is", sum(numbers))
for i in range(len(numbers)):
    numbers[i] *= 2
numbers.release()
bytes.release()
segment.close()
`

func main() {
	mp.Init()
	n := program.Count("n", 1, 1000, "how many numbers are shared")
	program.Main(func(ctx context.Context) error { return run(ctx, *n) })
}

func run(ctx context.Context, n int) (err error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		fmt.Println("there is no python3 to share with:", err)
		return nil
	}
	segment, err := shm.CreateNamed("", int64(8*n))
	if err != nil {
		return err
	}
	defer func() { // a name stays until somebody takes it away
		unlinked := segment.Unlink()
		if errors.Is(unlinked, fs.ErrNotExist) {
			unlinked = nil // Python was faster
		}
		err = errors.Join(err, unlinked, segment.Close())
	}()
	numbers := shm.SliceAt[float64](segment.Bytes(), 0, n)
	for i := range numbers {
		numbers[i] = float64(i)
	}
	fmt.Println("segment", segment.Name(), "is shared")
	cmd := exec.CommandContext(ctx, python, "-c", script, segment.Name(), strconv.Itoa(n))
	cmd.Stderr = new(strings.Builder)
	says, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("python3: %w\n%v", err, cmd.Stderr)
	}
	fmt.Printf("python3: %s", says)
	sum := 0.0
	for _, x := range numbers {
		sum += x
	}
	fmt.Println("after it has doubled them:", sum)
	return nil
}
