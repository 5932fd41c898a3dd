//go:build !linux

package sys

import "os"

// A Descriptor is the system's number for an open file in this process.
type Descriptor int

// Duplicate makes another descriptor of what f is open for.
func Duplicate(*os.File) (Descriptor, error) { return 0, errUnsupported }

// Duplicate makes another descriptor of what d is open for.
func (d Descriptor) Duplicate() (Descriptor, error) { return 0, errUnsupported }

// Close closes the descriptor.
func (d Descriptor) Close() {}

// File is the descriptor as a file, which is its owner from now on.
func (d Descriptor) File(name string) *os.File { return os.NewFile(uintptr(d), name) }

// MailSockets makes two sockets: what is sent to out is received from in, message by
// message.
func MailSockets(string) (in, out *os.File, err error) { return nil, nil, errUnsupported }

// AnswerSockets makes two sockets for one answer.
func AnswerSockets(string) (here *os.File, there Descriptor, err error) {
	return nil, 0, errUnsupported
}

// TrySend sends a message, and with it the descriptors that are carried.
func (d Descriptor) TrySend([]byte, ...Descriptor) error { return errUnsupported }

// A Message is one that was received.
type Message struct {
	Length  int          // of its bytes; more than there was room for were cut off
	Carried []Descriptor // what came with it; the receiver's
	Lacking bool         // more came, but there was no room or no number for them, and they are closed
}

// Receive waits for the next message and reads it into room.
func Receive(*os.File, []byte, int) (Message, error) { return Message{}, errUnsupported }

// ReceiveAll calls take for each message until the socket is closed, or fails.
func ReceiveAll(*os.File, []byte, int, func(Message), func()) error { return errUnsupported }
