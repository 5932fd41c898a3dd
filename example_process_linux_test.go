package mp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/mpgo/mp"
)

// Functions for other processes are registered in package-level variables, so that
// every process of the program has them.
var (
	double = mp.Register("example.double", func(_ context.Context, n int) (int, error) {
		return 2 * n, nil
	})

	crash = mp.Register("example.crash", func(context.Context, struct{}) (struct{}, error) {
		os.Exit(3)
		return struct{}{}, nil
	})

	serve = mp.Register("example.serve", func(ctx context.Context, name string) (struct{}, error) {
		mp.AtExit(func() { fmt.Println(name, "has cleaned up") })
		fmt.Println(name, "serves")
		<-ctx.Done()
		return struct{}{}, nil
	})

	greedy = mp.Register("example.greedy", func(context.Context, struct{}) (int, error) {
		var hoard [][]byte
		for len(hoard) < 1<<20 {
			hoard = append(hoard, []byte(strings.Repeat("x", 1<<20)))
		}
		return len(hoard), nil
	})

	copies = mp.Register("example.copies", func(context.Context, struct{}) (int64, error) {
		files := mp.ExtraFiles()
		return io.Copy(files[1], files[0])
	})

	whoAmI = mp.Register("example.whoAmI", func(context.Context, struct{}) (string, error) {
		return fmt.Sprintf("%s, child of %s", mp.Current().Name, mp.Parent().Name), nil
	})

	cpus = mp.Register("example.cpus", func(context.Context, struct{}) (int, error) {
		return mp.NumCPU(), nil
	})

	logs = mp.Register("example.logs", func(ctx context.Context, _ struct{}) (bool, error) {
		return mp.Logger().Enabled(ctx, slog.LevelInfo), nil
	})
)

// A greeter is a program with arguments of its own, as a subclass of Python's Process
// is.
type greeter struct{ Greeting, Name string }

func (g *greeter) Run(context.Context) error {
	fmt.Printf("%s, %s!\n", g.Greeting, g.Name)
	return nil
}

var greet = mp.RegisterType[greeter]("example.greeter")

func ExampleFunc_Run() {
	n, err := double.Run(context.Background(), 21)
	fmt.Println(n, err)
	// Output: 42 <nil>
}

func ExampleRegisterType() {
	p, err := greet.Start(context.Background(), greeter{"Hello", "world"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Wait(context.Background()))
	// Output:
	// Hello, world!
	// <nil>
}

func ExampleExitError() {
	_, err := crash.Run(context.Background(), struct{}{}, mp.WithName("crasher"))
	var exit *mp.ExitError
	if errors.As(err, &exit) {
		fmt.Println(exit.Name, exit.Func, exit.Code)
	}
	// Output: crasher example.crash 3
}

func ExampleFunc_Start() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p, err := serve.Start(ctx, "the server", mp.WithGrace(time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	cancel() // ends the context of the function there
	fmt.Println(p.Wait(context.Background()))
	// Output:
	// the server serves
	// the server has cleaned up
	// <nil>
}

func ExampleWithMemoryLimit() {
	_, err := greedy.Run(context.Background(), struct{}{}, mp.WithMemoryLimit(64<<20))
	var exit *mp.ExitError
	if errors.As(err, &exit) && exit.OOM {
		fmt.Println(exit.Func, "needs more than 64 MiB")
	}
}

func ExampleWithExtraFiles() {
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(w, "through two files")
	w.Close()
	n, err := copies.Run(context.Background(), struct{}{}, mp.WithExtraFiles(r, os.Stdout))
	fmt.Println(":", n, "bytes", err)
	// Output: through two files: 17 bytes <nil>
}

func ExampleWithCommand() {
	// Whatever the process writes goes to this program's memory.
	var out strings.Builder
	p, err := greet.Start(context.Background(), greeter{"Hello", "memory"},
		mp.WithCommand(func(cmd *exec.Cmd) { cmd.Stdout = &out }))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = p.Wait(context.Background())
	fmt.Printf("%q %v\n", out.String(), err)
	// Output: "Hello, memory!\n" <nil>
}

func ExampleCurrent() {
	s, err := whoAmI.Run(context.Background(), struct{}{}, mp.WithName("worker"))
	fmt.Println(s, err)
	// Output: worker, child of main <nil>
}

func ExampleWithCPUs() {
	n, err := cpus.Run(context.Background(), struct{}{}, mp.WithCPUs(0), mp.WithNice(5))
	fmt.Println("it may use", n, "CPU", err)
}

func ExampleSetLogger() {
	mp.SetLogger(slog.New(slog.NewTextHandler(io.Discard, nil))) // from Info on
	defer mp.SetLogger(nil)
	inherited, err := logs.Run(context.Background(), struct{}{})
	fmt.Println(inherited, err)
	// Output: true <nil>
}

func ExampleProcess_KillTree() {
	p, err := serve.Start(context.Background(), "the tree's root")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.KillTree(); err != nil {
		fmt.Println(err)
	}
	<-p.Done()
	code, exited := p.ExitCode()
	fmt.Println(code, exited)
}

func ExampleDetached() {
	p, err := serve.Start(context.Background(), "the daemon", mp.Detached())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("process", p.PID(), "goes on when this program ends")
}

func ExampleShutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := mp.Shutdown(ctx); err != nil {
		fmt.Println("some had to be killed:", err)
	}
}
