package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A dynasty has as many generations as are left, each a process that waits for its
// child. The last one tells that all are there.
type dynasty struct {
	Left  int
	There *mp.Event
}

func (d *dynasty) Run(ctx context.Context) error {
	if d.Left == 0 {
		if err := d.There.Set(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	p, err := found.Start(ctx, dynasty{d.Left - 1, d.There})
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

var found *mp.Func[dynasty, struct{}]

func init() { found = mp.RegisterType[dynasty]("example.dynasty") } // its Run mentions found

// KillTree, TerminateTree and InterruptTree end a process together with all that it has
// started.
func ExampleProcess_KillTree() {
	ctx := context.Background()
	for _, end := range []func(*mp.Process) error{
		(*mp.Process).InterruptTree, (*mp.Process).TerminateTree, (*mp.Process).KillTree,
	} {
		there, err := mp.NewEvent()
		if err != nil {
			log.Fatal(err)
		}
		p, err := found.Start(ctx, dynasty{2, there})
		if err != nil {
			log.Fatal(err)
		}
		if err := there.Wait(ctx); err != nil {
			log.Fatal(err)
		}
		if err := end(p); err != nil {
			log.Fatal(err)
		}
		<-p.Done()
		fmt.Println(p.ExitCode())
	}
	// Output:
	// -2 true
	// -15 true
	// -9 true
}
