// Command array blurs a picture with several processes. Both pictures lie in shared
// memory: each process is told which rows are its own, and not a pixel is sent.
//
// Python: Array, or a numpy array over SharedMemory, and Process.
//
//	$ go run ./examples/array
//	2 processes blurred 640x480 pixels: /tmp/mp-array.png
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

const width, height = 640, 480

// A filter is what a worker is told: make this row of To from what is around it in From.
type filter struct {
	From, To *mp.Array[byte] // gray pixels, row by row
	Row      int
	Radius   int // of the blur
}

var blur = mp.RegisterTask("blur", func(_ context.Context, f filter) error {
	from, to := picture(f.From), picture(f.To)
	defer runtime.KeepAlive(f) // the memory is there as long as somebody has the Array
	for x := range width {
		sum, n := 0, 0
		around := image.Rect(x-f.Radius, f.Row-f.Radius, x+f.Radius+1, f.Row+f.Radius+1).Intersect(from.Rect)
		for y := around.Min.Y; y < around.Max.Y; y++ {
			for _, pixel := range from.Pix[y*width+around.Min.X : y*width+around.Max.X] {
				sum, n = sum+int(pixel), n+1
			}
		}
		to.Pix[f.Row*width+x] = byte(sum / n)
	}
	return nil
})

// picture is an image whose pixels are the shared memory itself.
func picture(a *mp.Array[byte]) *image.Gray {
	return &image.Gray{Pix: a.Slice(), Stride: width, Rect: image.Rect(0, 0, width, height)}
}

func main() {
	mp.Init()
	file := flag.String("o", filepath.Join(os.TempDir(), "mp-array.png"), "the PNG `file` to write")
	workers := flag.Int("workers", 0, "how many worker `processes`; 0 is one a CPU")
	radius := program.Count("radius", 0, 4, "how many pixels around it a pixel is mixed with")
	program.Main(func(ctx context.Context) error { return run(ctx, *file, *workers, *radius) })
}

func run(ctx context.Context, file string, workers, radius int) error {
	pool, err := mp.NewPool(ctx, workers)
	if err != nil {
		return err
	}
	defer pool.Stop()
	from, err1 := mp.NewArray[byte](width * height)
	to, err2 := mp.NewArray[byte](width * height)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	defer from.Free()
	defer to.Free()
	for i := range from.Slice() { // a chessboard
		from.Set(i, byte(255*((i%width/40+i/width/40)%2)))
	}
	var rows []filter
	for y := range height {
		rows = append(rows, filter{from, to, y, radius})
	}
	if _, err := blur.Map(ctx, pool, rows); err != nil {
		return err
	}
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, picture(to)); err != nil {
		return err
	}
	if err := os.WriteFile(file, encoded.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Printf("%d processes blurred %dx%d pixels: %s\n", pool.Workers(), width, height, file)
	return nil
}
