package bundle

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Constants of the Zstandard Seekable Format.
const (
	tableMagic  = 0x184D2A5E // of its skippable frame
	footerMagic = 0x8F92EAB1 // the last four bytes of the file
	tableHeader = 8          // magic and size of the skippable frame
	tableEntry  = 8          // size of a frame and of its content
	tableFooter = 9          // number of frames, descriptor, magic
	// versionBits of the descriptor are unused by that format. They hold the version of our
	// format, minus one.
	versionBits = 3
)

// appendEntry appends a frame to the entries of a seek table.
func appendEntry(entries []byte, frame, content int64) []byte {
	entries = binary.LittleEndian.AppendUint32(entries, uint32(frame))
	return binary.LittleEndian.AppendUint32(entries, uint32(content))
}

// tableFrame returns the last frame of a bundle.
func tableFrame(entries []byte) []byte {
	b := make([]byte, 0, tableHeader+len(entries)+tableFooter)
	b = binary.LittleEndian.AppendUint32(b, tableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)+tableFooter))
	b = append(b, entries...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)/tableEntry))
	b = append(b, 0)
	return binary.LittleEndian.AppendUint32(b, footerMagic)
}

// table is a seek table that is read in step with the frames. Its sizes add up to the
// file's size; only the frames show whether it is true.
type table struct {
	entries []byte // from the entry of the frame at offset on
	offset  int64
	start   int64 // offset of the table's own frame
}

// readTable reads the seek table at the end of a file (E5, E6).
func readTable(r io.ReaderAt, size int64) (*table, error) {
	var footer [tableFooter]byte
	if err := readAt(r, footer[:], size-tableFooter); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(footer[5:]) != footerMagic {
		return nil, fmt.Errorf("no seek table at the end")
	}
	if v := footer[4] & versionBits; v != 0 {
		return nil, fmt.Errorf("bundle is of version %d of the format, this program knows version 1: use a newer one", v+1)
	}
	if footer[4] != 0 {
		return nil, fmt.Errorf("seek table has descriptor %#x, want 0", footer[4])
	}
	frames := int64(binary.LittleEndian.Uint32(footer[:4]))
	start := size - tableHeader - frames*tableEntry - tableFooter
	if frames > MaxMembers+1 || start < 0 {
		return nil, fmt.Errorf("seek table claims %d frames", frames)
	}
	b := make([]byte, tableHeader+frames*tableEntry)
	if err := readAt(r, b, start); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b) != tableMagic ||
		int64(binary.LittleEndian.Uint32(b[4:])) != frames*tableEntry+tableFooter {
		return nil, fmt.Errorf("seek table of %d frames does not start at offset %d", frames, start)
	}
	t := &table{entries: b[tableHeader:], start: start}
	return t, t.addUp()
}

// addUp checks that the frames fill the file up to the table.
func (t *table) addUp() error {
	var sum int64
	for walk := *t; len(walk.entries) > 0; {
		frame, content := walk.next()
		if frame == 0 || content > maxContent {
			return fmt.Errorf("seek table has a frame of %d bytes with %d bytes of content", frame, content)
		}
		sum += frame
	}
	if sum != t.start {
		return fmt.Errorf("frames in the seek table have %d bytes, those before it %d", sum, t.start)
	}
	return nil
}

// next steps over the frame at t.offset.
func (t *table) next() (frame, content int64) {
	frame = int64(binary.LittleEndian.Uint32(t.entries))
	content = int64(binary.LittleEndian.Uint32(t.entries[4:]))
	t.entries = t.entries[tableEntry:]
	t.offset += frame
	return frame, content
}

// agrees steps over a frame that was found at an offset, and returns an error if the table
// disagrees.
func (t *table) agrees(offset, frame, content int64) error {
	if t.offset != offset || len(t.entries) == 0 {
		return fmt.Errorf("seek table has no frame at offset %d", offset)
	}
	if f, c := t.next(); f != frame || c != content {
		return fmt.Errorf("frame at offset %d has %d bytes with %d bytes of content, the seek table says %d with %d",
			offset, frame, content, f, c)
	}
	return nil
}

// readAt fills b or returns an error, io.ErrUnexpectedEOF for a range outside the file.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if offset < 0 {
		return io.ErrUnexpectedEOF
	}
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Overhead returns how many bytes of a finished bundle with that many members are not
// members.
func Overhead(members int) int64 {
	return int64(len(endFrame())) + tableHeader + int64(members+1)*tableEntry + tableFooter
}
