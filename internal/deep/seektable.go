package deep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Constants of the Zstandard Seekable Format.
const (
	tableMagic  = 0x184D2A5E // of its skippable frame
	footerMagic = 0x8F92EAB1 // the last four bytes of the file
	tableEntry  = 8          // size of a frame and of its content
	tableFooter = 9          // number of frames, descriptor, magic
	packEntry   = 2 * tableEntry
)

var tableStart = [4]byte(binary.LittleEndian.AppendUint32(nil, tableMagic))

// appendEntry appends the two frames of a pack to the entries of a seek table.
func appendEntry(entries []byte, d *Directory) []byte {
	entries = append32(append32(entries, d.Size-d.frame), 0)
	return append32(append32(entries, d.frame), d.Content)
}

// tableFrame returns the last frame of a segment.
func tableFrame(entries []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, tableMagic)
	b = append32(b, int64(len(entries)+tableFooter))
	b = append(b, entries...)
	b = append32(b, int64(len(entries)/tableEntry))
	b = append(b, 0)
	return binary.LittleEndian.AppendUint32(b, footerMagic)
}

// table is a seek table whose sizes add up to the file's size; only the directories show
// whether it is true.
type table struct {
	entries []byte
	starts  []int64 // of the packs
	start   int64   // offset of the table's own frame
}

var errNoTable = errors.New("no seek table at the end")

// readTable reads the seek table at the end of a file.
func readTable(r io.ReaderAt, size int64) (*table, error) {
	frames, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	t := &table{start: startOf(frames, size)}
	if frames > 2*MaxPacks || frames%2 != 0 || t.start < 0 {
		return nil, fmt.Errorf("seek table claims %d frames", frames)
	}
	b := make([]byte, frameHead+frames*tableEntry)
	if err := readAt(r, b, t.start); err != nil {
		return nil, err
	}
	if [4]byte(b) != tableStart || int64(binary.LittleEndian.Uint32(b[4:])) != frames*tableEntry+tableFooter {
		return nil, fmt.Errorf("seek table of %d frames does not start at offset %d", frames, t.start)
	}
	if err := t.read(b[frameHead:]); err != nil {
		return nil, err
	}
	return t, nil
}

// readFooter returns the number of frames according to the end of a file.
func readFooter(r io.ReaderAt, size int64) (frames int64, err error) {
	var footer [tableFooter]byte
	if err := readAt(r, footer[:], size-tableFooter); err != nil {
		return 0, err
	}
	if binary.LittleEndian.Uint32(footer[5:]) != footerMagic {
		return 0, errNoTable
	}
	if footer[4] != 0 {
		return 0, fmt.Errorf("seek table has descriptor %#x, want 0", footer[4])
	}
	return u32(footer[:]), nil
}

// startOf returns the offset of the table in a file with that many frames.
func startOf(frames, size int64) int64 { return size - frameHead - frames*tableEntry - tableFooter }

// claimedStart returns the offset of a table according to the end of the file, or -1.
func claimedStart(r io.ReaderAt, size int64) int64 {
	frames, err := readFooter(r, size)
	if err != nil {
		return -1
	}
	return startOf(frames, size)
}

// read adds up the frames, which must be those of packs and fill the file up to the table.
func (t *table) read(entries []byte) error {
	var sum int64
	t.entries = entries
	for ; len(entries) > 0; entries = entries[packEntry:] {
		directory, none := u32(entries), u32(entries[4:])
		frame, content := u32(entries[8:]), u32(entries[12:])
		if directory < int64(minDirectory) || directory > maxDirectory || none != 0 ||
			content > MaxGiant || frame < 1 || frame > maxFrame(content) {
			return fmt.Errorf("seek table has a pack of %d and %d bytes with %d bytes of content", directory, frame, content)
		}
		t.starts = append(t.starts, sum)
		sum += directory + frame
	}
	if sum != t.start {
		return fmt.Errorf("frames in the seek table have %d bytes, those before it %d", sum, t.start)
	}
	return nil
}

func u32(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) }
