package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var cookAll = mp.RegisterTask("example.cookAll", func(ctx context.Context, orders *mp.Queue[string]) error {
	for order, err := range orders.Deliveries(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(order.Value) // were it killed here, somebody else would cook it
		if err := order.Ack(); err != nil {
			return err
		}
	}
	return nil
})

// Deliveries is Receive in a loop, until the queue is closed and all is dealt with.
func ExampleQueue_Deliveries() {
	ctx := context.Background()
	orders, err := mp.NewQueue[string](8)
	if err != nil {
		log.Fatal(err)
	}
	for _, dish := range []string{"soup", "rice"} {
		if err := orders.Put(ctx, dish); err != nil {
			log.Fatal(err)
		}
	}
	if err := orders.Close(); err != nil {
		log.Fatal(err)
	}
	_, err = cookAll.Run(ctx, orders)
	fmt.Println(err)
	// Output:
	// soup
	// rice
	// <nil>
}
