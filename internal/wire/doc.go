// Package wire turns Go values into bytes for another process of the same
// program, and back.
//
// Plain types (shm.CheckPlain) travel as their memory, slices of them and strings
// likewise, and handles of shared objects as the objects' names; everything else as
// CBOR (RFC 8949):
//
//	plain T           the memory of the value
//	string            its bytes
//	[]E, E plain      nothing if nil, else the elements' memory and one byte 01
//	handle            the object's name (shm.Ref), 16 bytes, which are zero if nil
//	struct of handles
//	and plain fields  one after the other
//	other types       one CBOR data item
//
// What arrives equals what was sent: nil stays nil and empty stays empty, a NaN
// keeps its payload, a time keeps its instant and its offset from UTC (a reading
// of the monotonic clock ends with its process). A type of which something would
// be lost is refused by For, with the path to the part; a value that is lost
// though its type can be sent, such as a pointer to a nil slice, is refused by
// Append. Three things are not kept, because they have no meaning elsewhere or the
// program asked for it: two pointers to one variable arrive as pointers to two;
// an empty slice or map in a field with omitempty arrives as nil; a signalling
// float32 NaN within CBOR arrives as the quiet one with the same payload.
//
// Bytes may come from a hostile process: they make a value or an error. They must
// be the reader's own while Decode runs.
package wire
