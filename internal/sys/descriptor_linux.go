package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Descriptor is the kernel's number for an open file in this process, closed on
// exec. It has no os.File, which would give it to Go's poller if it does not block:
// that wakes this process for whatever happens to what others use.
type Descriptor int

// Duplicate makes another descriptor of what f is open for. That has one offset and one
// set of flags, whoever has descriptors of it.
func Duplicate(f *os.File) (d Descriptor, err error) {
	err = control(f, func(fd int) error {
		d, err = Descriptor(fd).Duplicate()
		return err
	})
	return d, err
}

// Duplicate makes another descriptor of what d is open for.
func (d Descriptor) Duplicate() (Descriptor, error) {
	fd, err := unix.FcntlInt(uintptr(d), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("sys: another descriptor of a file: %w%s", err, filesCure(err))
	}
	return Descriptor(fd), nil
}

// Close closes the descriptor. To close the last one of a file may take its time.
func (d Descriptor) Close() { _ = unix.Close(int(d)) }

// File is the descriptor as a file, which is its owner from now on.
func (d Descriptor) File(name string) *os.File { return os.NewFile(uintptr(d), name) }

// MailSockets makes two sockets: what is sent to out is received from in, message by
// message. Both are closed on exec. Only in is given to Go's poller. out can be shared
// by many processes; if each had it in its poller, all of them would wake up whenever
// one message is received.
func MailSockets(name string) (in, out *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("sys: socketpair: %w%s", err, filesCure(err))
	}
	_ = unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// AnswerSockets makes two sockets for one answer: whoever is sent there sends it, and
// here receives it, or the end if all descriptors of there are closed. Both are closed
// on exec.
func AnswerSockets(name string) (here *os.File, there Descriptor, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("sys: socketpair: %w%s", err, filesCure(err))
	}
	_ = unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), name), Descriptor(fds[1]), nil
}

// TrySend sends a message, and with it the descriptors that are carried, which stay the
// caller's. It does not wait: syscall.EAGAIN if there is no room. It is
// os.ErrProcessDone if nobody has the other socket any more.
func (d Descriptor) TrySend(message []byte, carried ...Descriptor) error {
	var rights []byte
	if len(carried) > 0 {
		fds := make([]int, len(carried))
		for i, c := range carried {
			fds[i] = int(c)
		}
		rights = unix.UnixRights(fds...)
	}
	err := retry(func() error {
		return unix.Sendmsg(int(d), message, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ENOTCONN),
		errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return os.ErrProcessDone
	}
	return fmt.Errorf("sys: send a message with %d descriptors: %w", len(carried), err)
}

// A Message is one that was received.
type Message struct {
	Length  int          // of its bytes; more than there was room for were cut off
	Carried []Descriptor // what came with it; the receiver's
	Lacking bool         // more came, but there was no room or no number for them, and they are closed
}

// Receive waits for the next message and reads it into room, with at most so many
// descriptors. If the other socket is closed, the message is empty.
func Receive(socket *os.File, room []byte, descriptors int) (m Message, err error) {
	failed := receive(socket, room, descriptors, func(got Message) (more bool) {
		m = got
		return false
	}, func() {})
	return m, failed
}

// ReceiveAll calls take for each message, whose bytes are in room then, and idle
// whenever it is about to wait for the next. It returns when the socket is closed in
// this process, or fails.
func ReceiveAll(socket *os.File, room []byte, descriptors int, take func(Message), idle func()) error {
	return receive(socket, room, descriptors, func(m Message) (more bool) {
		take(m)
		return true
	}, idle)
}

func receive(socket *os.File, room []byte, descriptors int, take func(Message) (more bool), idle func()) error {
	conn, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	rights := make([]byte, unix.CmsgSpace(descriptors*4)) // an int32 each
	var failed error
	err = conn.Read(func(fd uintptr) (done bool) {
		for {
			var m Message
			m, failed = receiveNow(int(fd), room, rights)
			switch {
			case errors.Is(failed, unix.EAGAIN):
				idle()
				return false
			case failed != nil || !take(m):
				return true
			}
		}
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return fmt.Errorf("sys: receive from %s: %w", socket.Name(), failed)
	}
	return nil
}

func receiveNow(fd int, room, rights []byte) (m Message, err error) {
	var n, length, flags int
	err = retry(func() error {
		length, n, flags, _, err = unix.Recvmsg(fd, room, rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return Message{}, err
	}
	return Message{Length: length, Carried: carriedIn(rights[:n]), Lacking: flags&unix.MSG_CTRUNC != 0}, nil
}

// carriedIn are the descriptors that the kernel wrote into a message's control data.
func carriedIn(control []byte) (list []Descriptor) {
	parts, _ := unix.ParseSocketControlMessage(control)
	for _, p := range parts {
		fds, err := unix.ParseUnixRights(&p)
		if err != nil {
			continue // no descriptors
		}
		for _, fd := range fds {
			list = append(list, Descriptor(fd))
		}
	}
	return list
}
