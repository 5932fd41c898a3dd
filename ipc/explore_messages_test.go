//go:build explore

package ipc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mpgo/mp/internal/explore"
)

func init() {
	models["ring/one each"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredPuts(plainly, 1, 2, 1, 2, 1)}
	models["ring/two producers"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredPuts(plainly, 2, 2, 1, 3, 2)}
	models["ring/two consumers"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredPuts(plainly, 1, 2, 2, 1, 1)}
	models["ring/two each"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredPuts(plainly, 2, 1, 2, 1, 2)}
	models["ring/two consumers, two deaths"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredPuts(plainly, 1, 2, 2, 1, 1)}
	models["ring/two each, two deaths"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredPuts(plainly, 2, 1, 2, 1, 2)}
	models["ring/close"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredClose(plainly)}
	models["ring/quick/one each"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredPuts(quickly, 1, 2, 1, 2, 1)}
	models["ring/quick/two producers"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredPuts(quickly, 2, 2, 1, 3, 2)}
	models["ring/quick/two consumers"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredPuts(quickly, 1, 2, 2, 1, 1)}
	models["ring/quick/two each, two deaths"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredPuts(quickly, 2, 1, 2, 1, 2)}
	models["ring/quick/close"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredClose(quickly)}
	models["lease/one slot"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredLeases(1, false)}
	models["lease/get"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredLeases(2, true)}
	models["lease/two deaths"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredLeases(2, true)}
	models["ring/batches"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredBatches(batchScene{capacity: 2, producers: 1, consumers: 2, each: 2})}
	models["ring/batches of two"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredBatches(batchScene{capacity: 2, producers: 2, consumers: 1, each: 2})}
	models["ring/batches and singles"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredBatches(batchScene{capacity: 3, producers: 2, consumers: 2, each: 2, mixed: true})}
	models["ring/batches beyond the last cell"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredBatches(batchScene{capacity: 3, producers: 1, consumers: 2, each: 4})}
	models["ring/bulk"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredBatches(batchScene{capacity: 2, producers: 1, consumers: 2, each: 2, quick: true})}
	models["ring/bulk of two"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredBatches(batchScene{capacity: 2, producers: 2, consumers: 1, each: 2, quick: true})}
	models["ring/bulk of two groups"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredBatches(batchScene{capacity: 4, producers: 1, consumers: 2, each: 4, quick: true})}
	models["ring/bulk and singles"] = explore.Model{Preemptions: 1, Kills: 2, Setup: exploredBatches(batchScene{capacity: 3, producers: 2, consumers: 2, each: 2, quick: true, mixed: true})}
	models["stream/headers"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredStream(-1, 0, 3)}
	models["stream/fixed"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredStream(16, 0, 5)}
	models["stream/headers/turns"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredStream(-1, 64, 7)}
	models["stream/fixed/turns"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredStream(16, 64, 9)}
}

// A post is the messages of a model: who may have lost which, and who got which.
// Message m is 8 bytes of value m+1.
type post struct {
	x         *explore.Execution
	manner    manner
	committed [8]bool // Put returned
	begun     [8]bool
	got       [8]int // how many live processes were given it
}

// A manner is how messages are put and got: quickly, where that is possible.
type manner bool

const (
	plainly manner = false
	quickly manner = true
)

// put puts a message.
func (m manner) put(r *Ring, msg []byte) error {
	if m == quickly && putQuickly(r, anytime, msg) {
		return nil
	}
	return r.Put(context.Background(), msg)
}

// get gets a message.
func (m manner) get(r *Ring) ([]byte, error) {
	if m == quickly {
		msg := make([]byte, 8)
		if ok, _ := getQuickly(r, anytime, msg); ok {
			return msg, nil
		}
	}
	return r.Get(context.Background(), nil)
}

func message(m int) []byte { return bytes.Repeat([]byte{byte(m + 1)}, 8) }

// number says which message this is, -1 if none was ever put.
func (p *post) number(msg []byte) int {
	if len(msg) == 8 && bytes.Count(msg, msg[:1]) == 8 && msg[0] >= 1 && int(msg[0]) <= len(p.begun) && p.begun[msg[0]-1] {
		return int(msg[0] - 1)
	}
	return -1
}

// check compares with what was left at the end: each message that was committed was
// given to one, or is there, or died with whoever had it; no other is there twice.
func (p *post) check(left [8]int, mayLose int) error {
	lost := 0
	for m := range p.begun {
		switch n := p.got[m] + left[m]; {
		case n > 1:
			return fmt.Errorf("message %d: %d were given it, and %d are left", m, p.got[m], left[m])
		case n == 0 && p.committed[m]:
			lost++
		}
	}
	if lost > mayLose {
		return fmt.Errorf("%d messages are lost", lost)
	}
	return nil
}

// putAll puts the messages from first to before end.
func (p *post) putAll(r *Ring, first, end int) error {
	for m := first; m < end; m++ {
		p.begun[m] = true
		if err := p.manner.put(r, message(m)); err != nil {
			return err
		}
		p.committed[m] = true
	}
	return nil
}

// getOne gets a message.
func (p *post) getOne(r *Ring) error {
	msg, err := p.manner.get(r)
	if err != nil {
		return err
	}
	m := p.number(msg)
	p.x.Check(m >= 0, "got %x", msg)
	p.got[m]++
	return nil
}

// takeRest takes all messages that there are.
func (p *post) takeRest(r *Ring) (left [8]int, err error) {
	for {
		msg, err := r.TryGet(nil)
		if err == ErrEmpty {
			return left, nil
		}
		m := p.number(msg)
		if err != nil || m < 0 {
			return left, fmt.Errorf("%x, %v is left", msg, err)
		}
		left[m]++
	}
}

// exploredPuts: producers put so many messages each, consumers get so many each.
func exploredPuts(manner manner, producers, puts, consumers, gets, capacity int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, producers+consumers)
		mem := exploredRing(x, capacity)
		p := &post{x: x, manner: manner}
		for i, d := range c.citizens {
			r, err := OpenRing(d, mem)
			c.must(err)
			bells(x, r.put, r.get)
			if i < producers {
				x.Process(func() { c.must(p.putAll(r, i*puts, (i+1)*puts)) })
				continue
			}
			x.Process(func() {
				for range gets {
					c.must(p.getOne(r))
				}
			})
		}
		mayLose := func() (n int) { // what a consumer had released when it was killed
			for i := producers; i < len(c.citizens); i++ {
				n += boolToInt(x.Killed(i))
			}
			return n
		}
		x.Excuse(func(i int) error { return ringRests(c, mem, i < producers) })
		x.Finally(func() error {
			left, err := drain(c, p, mem)
			if err != nil {
				return err
			}
			return p.check(left, mayLose())
		})
	}
}

// exploredRing is a new ring.
func exploredRing(x *explore.Execution, capacity int) []byte {
	size, _ := RingSize(capacity, 8)
	mem := Aligned(make([]byte, size+cellAlign))[:size]
	if err := initRing(mem, capacity, 8, 1<<30-1); err != nil { // so that the lap wraps at once
		panic(err)
	}
	explore.Bytes(x, "ring", mem)
	return mem
}

// inspector opens a view of the ring at the end, as a process that comes then.
func inspector(c *cosmos, mem []byte) *Ring {
	r, err := OpenRing(&citizen{c, c.citizens[0].self + 7}, mem)
	if err != nil {
		panic(err)
	}
	return r
}

// ringRests reports why a producer, or consumer, should not sleep.
func ringRests(c *cosmos, mem []byte, producer bool) error {
	copied := Aligned(append(make([]byte, 0, 2*len(mem)+cellAlign), make([]byte, len(mem)+cellAlign)...))
	copy(copied, mem)
	r := inspector(c, copied[:len(mem)])
	if producer {
		if err := r.TryPut(message(0)); err != ErrFull {
			return fmt.Errorf("there is room: %v", err)
		}
		return nil
	}
	if msg, err := r.TryGet(nil); err != ErrEmpty {
		return fmt.Errorf("there is %x, %v", msg, err)
	}
	return nil
}

// drain takes what is left in the ring, and uses its whole capacity afterwards.
func drain(c *cosmos, p *post, mem []byte) (left [8]int, err error) {
	r := inspector(c, mem)
	if left, err = p.takeRest(r); err != nil {
		return left, err
	}
	for i := range r.Cap() {
		if err := r.TryPut(message(i)); err != nil {
			return left, fmt.Errorf("only %d of %d cells can be used: %w", i, r.Cap(), err)
		}
	}
	return left, nil
}

// exploredClose: one puts, one closes, two get until they are told that there is
// nothing more.
func exploredClose(manner manner) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, 4)
		mem := exploredRing(x, 2)
		p := &post{x: x, manner: manner}
		closed := false
		for i, d := range c.citizens {
			r, err := OpenRing(d, mem)
			c.must(err)
			bells(x, r.put, r.get)
			switch i {
			case 0:
				x.Process(func() {
					for m := range 2 {
						p.begun[m] = true
						if err := manner.put(r, message(m)); err != ErrClosed {
							c.must(err)
							p.committed[m] = true
						}
					}
				})
			case 1:
				x.Witness(func() {
					c.must(r.Close())
					closed = true
				})
			default:
				x.Process(func() {
					for {
						msg, err := manner.get(r)
						if err == ErrClosed {
							return
						}
						c.must(err)
						m := p.number(msg)
						x.Check(m >= 0, "got %x", msg)
						p.got[m]++
					}
				})
			}
		}
		x.Finally(func() error {
			if !closed {
				return errors.New("not closed")
			}
			left := [8]int{}
			if x.Killed(2) || x.Killed(3) { // it may have had a message, and all others were gone
				r := inspector(c, mem)
				for {
					msg, err := r.TryGet(nil)
					if err == ErrClosed {
						break
					}
					m := p.number(msg)
					if err != nil || m < 0 {
						return fmt.Errorf("%x, %v is left", msg, err)
					}
					left[m]++
				}
			}
			return p.check(left, boolToInt(x.Killed(2) || x.Killed(3)))
		})
	}
}

// exploredLeases: two messages, one who receives a message on lease and acknowledges it,
// and one who does so with both, or gets one. To acknowledge twice does nothing.
func exploredLeases(slots int, gets bool) func(*explore.Execution) {
	return func(x *explore.Execution) {
		o := newLeases(x, slots)
		c := o.c
		for i, d := range c.citizens {
			r := o.open(d)
			switch {
			case i == 0:
				x.Witness(func() { c.must(o.putAll(r, 0, 2)) })
			case i == 1 || !gets:
				x.Process(func() { o.receive(i, r, i) })
			default:
				x.Witness(func() {
					msg, err := r.Get(context.Background(), nil)
					c.must(err)
					m := o.number(msg)
					x.Check(m >= 0, "got %x", msg)
					o.got[m]++
				})
			}
		}
		x.Excuse(o.rests)
		x.Finally(o.settle)
	}
}

// leases are the messages of three processes, of which the first one puts them.
type leases struct {
	post
	c     *cosmos
	mem   []byte // of the ring, which has room for two
	table []byte
	holds [3][8]bool // who has which message
	acks  [3][8]bool // who has begun to acknowledge it
}

func newLeases(x *explore.Execution, slots int) *leases {
	o := &leases{post: post{x: x}, c: newCosmos(x, 3), mem: exploredRing(x, 2)}
	size, _ := LeaseTableSize(slots, 8)
	o.table = Aligned(make([]byte, size+cellAlign))
	if err := InitLeases(o.table, slots, 8, 0); err != nil {
		panic(err)
	}
	explore.Bytes(x, "leases", o.table)
	x.Always(o.oneHolder)
	return o
}

// open is a process's view of the ring.
func (o *leases) open(d Domain) *Ring {
	r, err := OpenRing(d, o.mem)
	o.c.must(err)
	r.Leases(func(uint64) ([]byte, error) { return o.table, nil })
	r.SetLeaseTable(1)
	bells(o.x, r.put, r.get, r.lease, r.join)
	return r
}

// oneHolder is the invariant that a message has one live holder at most.
func (o *leases) oneHolder() error {
	for m := range o.begun {
		n := 0
		for i := range o.holds {
			n += boolToInt(o.holds[i][m] && !o.x.Killed(i))
		}
		if n > 1 {
			return fmt.Errorf("%d have message %d on lease", n, m)
		}
	}
	return nil
}

// receive is process i, which receives some messages.
func (o *leases) receive(i int, r *Ring, times int) {
	var former Lease
	for n := range times {
		l, err := r.Receive(context.Background())
		o.c.must(err)
		o.x.Check(n == 0 || former.Ack() == ErrNotLeased, "what was acknowledged is so again")
		former = l
		o.ack(i, l, o.hold(i, l))
	}
}

// hold is that process i has a message on lease for a moment.
func (o *leases) hold(i int, l Lease) (m int) {
	msg, err := l.Bytes()
	o.c.must(err)
	m = o.number(msg)
	o.x.Check(m >= 0, "received %x", msg)
	o.holds[i][m] = true
	l.slot.state.Load()
	o.holds[i][m] = false
	return m
}

func (o *leases) ack(i int, l Lease, m int) {
	o.acks[i][m] = true
	o.c.must(l.Ack())
	o.got[m]++
}

// rests reports why nobody should sleep.
func (o *leases) rests(int) error {
	ring := Aligned(make([]byte, len(o.mem)+cellAlign))[:len(o.mem)]
	copied := Aligned(make([]byte, len(o.table)+cellAlign))
	copy(ring, o.mem)
	copy(copied, o.table)
	r := inspector(o.c, ring)
	r.Leases(func(uint64) ([]byte, error) { return copied, nil })
	if l, err := r.TryReceive(); err != ErrEmpty {
		return fmt.Errorf("there is a message: %v, %v", l.state, err)
	}
	return nil
}

// settle takes what is left at the end.
func (o *leases) settle() error {
	r := inspector(o.c, o.mem)
	r.Leases(func(uint64) ([]byte, error) { return o.table, nil })
	left := [8]int{}
	for {
		l, err := r.TryReceive()
		if err == ErrEmpty || err == ErrClosed {
			break
		}
		if err != nil {
			return err
		}
		msg, err := l.Bytes()
		m := o.number(msg)
		if err != nil || m < 0 {
			return fmt.Errorf("%x, %v is left", msg, err)
		}
		left[m]++
		if err := l.Ack(); err != nil {
			return err
		}
	}
	mayLose := 0
	for m := range o.begun {
		mayLose += boolToInt(o.acks[1][m] && o.x.Killed(1) || o.acks[2][m] && o.x.Killed(2))
	}
	return o.check(left, mayLose)
}

// exploredStream: one writes more records than have room, and closes; the other reads
// until the end. What was committed is read, in order, and then the end. A ring has room
// for two records with headers and for four without; with a small ring the next one goes
// to the large ring, and one later to the small ring again if the reader is near.
func exploredStream(fixed, small, records int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, 2)
		mem := ringsOf(64, small, fixed, ^uint64(0)-63) // so that the positions wrap
		explore.Bytes(x, "stream", mem)
		committed, read := 0, 0
		w, err := OpenWriter(c.citizens[0], mem)
		c.must(err)
		r, err := OpenReader(c.citizens[1], mem)
		c.must(err)
		bells(x, w.gate, r.gate)
		x.Process(func() {
			for i := range records {
				err := w.Put(context.Background(), bytes.Repeat([]byte{byte(i + 1)}, 16))
				if errors.Is(err, ErrPeerDied) && x.Killed(1) {
					return
				}
				c.must(err)
				committed++
			}
			c.must(w.Close())
		})
		x.Process(func() {
			for {
				msg, err := r.Get(context.Background(), nil)
				if errors.Is(err, io.EOF) {
					x.Check(read >= committed, "the end after %d of %d", read, committed)
					x.Check(err == io.EOF || x.Killed(0), "%v", err)
					return
				}
				c.must(err)
				read++
				x.Check(bytes.Equal(msg, bytes.Repeat([]byte{byte(read)}, 16)), "record %d is %x", read, msg)
			}
		})
	}
}
