// Command chat is a chat server. Each connection is served by a process of its own, which
// gets the open socket: whatever goes wrong there ends one conversation. Come with
// "nc 127.0.0.1 PORT", several times; who says /crash has its process killed.
//
// Python: socketserver.ForkingMixIn, with a Queue for each client.
//
//	$ go run ./examples/chat -addr 127.0.0.1:4000
//	listening on 127.0.0.1:4000
//	guest 1 comes
//	guest 2 comes
//	guest 1: hello
//	guest 2 goes: mp: process guest 2 (pid 3011) running "guest" was killed by signal 9 (killed)
//	guest 1 goes: <nil>
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"sync"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A guest is whom a process serves.
type guest struct {
	Name  string
	Says  *mp.Queue[string] // to the server
	Hears *mp.Queue[string] // from it
}

var serve = mp.RegisterTask("guest", func(ctx context.Context, g guest) error {
	conn, err := net.FileConn(mp.ExtraFiles()[0])
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	go func() {
		for line := range g.Hears.All(ctx) {
			fmt.Fprintln(conn, line)
		}
	}()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if lines.Text() == "/crash" {
			program.Die()
		}
		if err := g.Says.Put(ctx, g.Name+": "+lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
})

var present sync.Map // the queues of those who are there, by their names

// welcome has a process serve a connection, and returns when that is over.
func welcome(ctx context.Context, conn net.Conn, g guest) (err error) {
	defer conn.Close()
	defer func() { _ = g.Says.Put(ctx, fmt.Sprintf("%s goes: %v", g.Name, err)) }()
	socket, err1 := conn.(*net.TCPConn).File()
	hears, err2 := mp.NewQueue[string](100)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	defer socket.Close()
	g.Hears = hears
	present.Store(g.Name, hears)
	defer present.Delete(g.Name)
	_ = g.Says.Put(ctx, g.Name+" comes")
	_, err = serve.Run(ctx, g, mp.WithName(g.Name), mp.WithExtraFiles(socket))
	return err
}

func main() {
	mp.Init()
	addr := flag.String("addr", "127.0.0.1:0", "the `address` to listen at; port 0 is any")
	program.Main(func(ctx context.Context) error { return run(ctx, *addr) })
}

func run(ctx context.Context, addr string) error {
	listener, err1 := net.Listen("tcp", addr)
	said, err2 := mp.NewQueue[string](100)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	fmt.Println("listening on", listener.Addr())
	go func() {
		for line := range said.All(ctx) { // print it, and tell everybody
			fmt.Println(line)
			present.Range(func(_, hears any) bool {
				_ = hears.(*mp.Queue[string]).TryPut(line) // who is too slow misses it
				return true
			})
		}
	}()
	for n := 1; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go welcome(ctx, conn, guest{Name: fmt.Sprint("guest ", n), Says: said})
	}
}
