package mp_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/mpgo/mp"
)

// films sends three frames.
var films = mp.Register("example.films", func(ctx context.Context, c *mp.Conn[[]byte]) (struct{}, error) {
	frame := make([]byte, 640*480)
	for i := range 3 {
		frame[0] = byte(i)
		if err := c.Send(ctx, frame); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, c.Close()
})

// Who receives much does so into the same memory again and again.
func ExampleConn_RecvInto() {
	ctx := context.Background()
	mine, yours, err := mp.NewPipe[[]byte](mp.OneWay())
	if err != nil {
		log.Fatal(err)
	}
	defer mine.Close()
	if _, err := films.Start(ctx, yours); err != nil {
		log.Fatal(err)
	}
	frame := make([]byte, 640*480)
	memory := &frame[0]
	for {
		if err := mine.RecvInto(ctx, &frame); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Println("frame", frame[0], len(frame), &frame[0] == memory)
	}
	fmt.Println("no more:", mine.TryRecvInto(&frame))
	// Output:
	// frame 0 307200 true
	// frame 1 307200 true
	// frame 2 307200 true
	// no more: EOF
}
