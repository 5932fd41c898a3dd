// Command identity is about who is who: each process knows itself and its parent, and a
// parent knows its children as long as they live.
//
// Python: current_process, parent_process and active_children.
//
//	$ go run ./examples/identity
//	main (pid 2201): I have no parent
//	ann (pid 2207): my parent is main (pid 2201)
//	bob (pid 2212): my parent is main (pid 2201)
//	carl (pid 2219): my parent is bob (pid 2212)
//	my child: process ann (pid 2207), running "visit"
//	my child: process bob (pid 2212), running "visit"
//	active children: 0
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A visit is what a process does here: it says who it is, and stays until it may leave.
type visit struct {
	Arrived *mp.Queue[string] // what it says
	Leave   *mp.Event
	Friend  string // a child of its own that it brings along, or nobody
}

var visits = mp.RegisterType[visit]("visit")

func (v *visit) Run(ctx context.Context) error {
	if err := v.Arrived.Put(ctx, introduction()); err != nil {
		return err
	}
	if v.Friend != "" {
		friend := visit{Arrived: v.Arrived, Leave: v.Leave}
		if _, err := visits.Run(ctx, friend, mp.WithName(v.Friend)); err != nil {
			return err
		}
	}
	return v.Leave.Wait(ctx)
}

func introduction() string {
	me, parent := mp.Current(), mp.Parent()
	if parent == nil {
		return fmt.Sprintf("%s (pid %d): I have no parent", me.Name, me.PID)
	}
	return fmt.Sprintf("%s (pid %d): my parent is %s (pid %d)", me.Name, me.PID, parent.Name, parent.PID)
}

func main() {
	mp.Init()
	stay := flag.Duration("stay", 0, "how long they stay; time to look at them with ps")
	program.Main(func(ctx context.Context) error { return run(ctx, *stay) })
}

func run(ctx context.Context, stay time.Duration) error {
	arrived, err := mp.NewQueue[string](10)
	if err != nil {
		return err
	}
	leave, err := mp.NewEvent()
	if err != nil {
		return err
	}
	fmt.Println(introduction())
	if _, err := visits.Start(ctx, visit{arrived, leave, ""}, mp.WithName("ann")); err != nil {
		return err
	}
	if _, err := visits.Start(ctx, visit{arrived, leave, "carl"}, mp.WithName("bob")); err != nil {
		return err
	}
	for range 3 {
		who, err := arrived.Get(ctx)
		if err != nil {
			return err
		}
		fmt.Println(who)
	}
	for _, p := range mp.ActiveChildren() {
		fmt.Println("my child:", p)
	}
	if err := program.Pause(ctx, stay); err != nil {
		return err
	}
	if err := leave.Set(); err != nil {
		return err
	}
	if err := mp.Shutdown(ctx); err != nil { // waits for all children
		return err
	}
	fmt.Println("active children:", len(mp.ActiveChildren()))
	return nil
}
