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
	"os"
	"sync"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A guest is a process that serves one connection.
type guest struct {
	Name  string
	Says  *mp.Queue[string] // to all
	Hears *mp.Queue[string] // from the server
}

var guests = mp.RegisterType[guest]("guest")

func (g *guest) Run(ctx context.Context) error {
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
			me, _ := os.FindProcess(os.Getpid())
			_ = me.Kill()
		}
		if err := g.Says.Put(ctx, g.Name+": "+lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// A room is the server's list of those who hear what is said.
type room struct {
	mu    sync.Mutex
	hears map[string]*mp.Queue[string]
}

// tell prints a line, and passes it on to everybody.
func (r *room) tell(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Println(line)
	for _, q := range r.hears {
		_ = q.TryPut(line) // who is too slow misses it
	}
}

// serve has a process serve a connection, and returns when that is over.
func (r *room) serve(ctx context.Context, conn net.Conn, g guest) error {
	defer conn.Close()
	socket, err1 := conn.(*net.TCPConn).File()
	hears, err2 := mp.NewQueue[string](100)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	defer socket.Close()
	r.mu.Lock()
	r.hears[g.Name], g.Hears = hears, hears
	r.mu.Unlock()
	r.tell(g.Name + " comes")
	_, err := guests.Run(ctx, g, mp.WithName(g.Name), mp.WithExtraFiles(socket))
	r.mu.Lock()
	delete(r.hears, g.Name)
	r.mu.Unlock()
	return err
}

func main() {
	mp.Init()
	addr := flag.String("addr", "127.0.0.1:0", "the `address` to listen at; port 0 is any")
	program.Main(func(ctx context.Context) error { return run(ctx, *addr) })
}

func run(ctx context.Context, addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	fmt.Println("listening on", listener.Addr())
	says, err := mp.NewQueue[string](100)
	if err != nil {
		return err
	}
	r := &room{hears: make(map[string]*mp.Queue[string])}
	go func() {
		for line := range says.All(ctx) {
			r.tell(line)
		}
	}()
	for n := 1; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		g := guest{Name: fmt.Sprint("guest ", n), Says: says}
		go func() {
			err := r.serve(ctx, conn, g)
			r.tell(fmt.Sprintf("%s goes: %v", g.Name, err))
		}()
	}
}
