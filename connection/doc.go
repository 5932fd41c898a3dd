// Package connection joins programs that are not of one tree of processes, on one machine
// or on several, by sockets: Listen and Dial make a Conn, which has the methods of an
// mp.Conn. Within a tree mp.NewPipe is some hundred times as fast, and tells a death from
// an end.
//
// Both sides prove to each other that they know a key, before anything else is said
// (WithKey). What they say afterwards is neither encrypted nor signed: this is for one
// machine, or for a network that one trusts.
//
// # Python
//
// This is Python's module multiprocessing.connection, and speaks its protocol: a
// Conn[[]byte] talks to a Connection's send_bytes and recv_bytes, a Listener to its
// Client and Dial to its Listener. It does not speak pickle, which runs code: other types
// are CBOR (RFC 8949), for which Python has packages. Pythons before 3.12 can prove
// that they know a key by HMAC-MD5 alone, which has to be allowed: WithMD5.
//
// # Deaths
//
// When a process dies, the kernel closes its sockets. The peer gets the messages that
// were sent as a whole, and then io.EOF, or io.ErrUnexpectedEOF if the last one was
// cut off. (TCP drops what is on its way if the dead had not read everything.) A killed Listener leaves nothing behind if it had no path, and otherwise a path
// that the next one takes over. Of a machine that vanishes TCP tells after some minutes.
package connection
