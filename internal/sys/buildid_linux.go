package sys

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// BuildID tells builds of a program apart: it is the Go build id of the running
// executable, or a digest of what is known about it if it was built without.
func BuildID() (string, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("sys: build id: cannot read the running program: %w%s", err, procCure(err))
	}
	defer func() { _ = f.Close() }()
	id, err := goBuildID(f)
	if err != nil || id != "" {
		return id, err
	}
	return digest(f)
}

// procCure says what to do if a file of /proc cannot be opened.
func procCure(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return ": /proc must be mounted"
	}
	return filesCure(err)
}

// goBuildID is "" for a program without.
func goBuildID(f *os.File) (string, error) {
	file, err := elf.NewFile(f)
	if err != nil {
		return "", fmt.Errorf("sys: build id: %w", err)
	}
	for _, prog := range file.Progs {
		if prog.Type != elf.PT_NOTE {
			continue
		}
		notes := make([]byte, min(prog.Filesz, 1<<16))
		if _, err := prog.ReadAt(notes, 0); err != nil {
			return "", fmt.Errorf("sys: build id: %w", err)
		}
		if id := findGoNote(notes, file.ByteOrder); id != "" {
			return id, nil
		}
	}
	return "", nil
}

// findGoNote walks ELF notes {name size, description size, type, name padded to
// 4, description padded to 4} to the one named "Go\0\0" of type 4 (ELF_NOTE_GOBUILDID_TAG
// in cmd/link/internal/ld/elf.go).
func findGoNote(notes []byte, order binary.ByteOrder) string {
	const head, goBuildID = 12, 4
	for len(notes) >= head {
		nameLen := uint64(order.Uint32(notes))
		descLen := uint64(order.Uint32(notes[4:]))
		kind := order.Uint32(notes[8:])
		desc := head + (nameLen+3)&^3
		next := desc + (descLen+3)&^3
		if next > uint64(len(notes)) {
			return ""
		}
		if kind == goBuildID && bytes.HasPrefix(notes[head:], []byte("Go\x00\x00")) {
			return string(notes[desc : desc+descLen])
		}
		notes = notes[next:]
	}
	return ""
}
