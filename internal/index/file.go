package index

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
)

// maxBad is the number of bad lines of one file that are listed before the whole file is
// rejected, so that they do not fill the memory.
const maxBad = 10_000

// maxVersions is the maximum number of lines of one file; a larger file is rejected. The
// largest file of the real index has some 1,600 lines.
const maxVersions = 1 << 16

// maxKept is the size beyond which a map is not used for the next file: clearing it costs
// its capacity, and most files have few lines.
const maxKept = 64

var utf8BOM = []byte("\xef\xbb\xbf")

// A fileParser parses index files, one after the other.
type fileParser struct {
	parser
	log *slog.Logger
	// place is the position of a version among the entries. Keys are lower-case: all names
	// in a file differ only in case, so equal keys mean equal crate.ID.FoldKeys.
	place map[string]int
}

// file parses the content of c's file. It sets c.Entries, c.Bad and c.Err, and appends the
// entries to entries, which it returns.
func (p *fileParser) file(c *Crate, content []byte, entries []Entry) []Entry {
	if len(p.place) > maxKept || p.place == nil {
		p.place = make(map[string]int)
	}
	clear(p.place)
	if rest, found := bytes.CutPrefix(content, utf8BOM); found {
		p.log.Warn("index file starts with a byte order mark, which is ignored", "path", c.Path)
		content = rest
	}
	start := len(entries)
	entries = p.lines(c, content, entries)
	if len(entries)-start > maxVersions {
		c.Err = fmt.Errorf("more than %d versions", maxVersions)
		c.Bad = nil
		return entries[:start]
	}
	if len(c.Bad) > maxBad {
		c.Err = fmt.Errorf("more than %d bad lines, the first: %w", maxBad, c.Bad[0])
		c.Bad = nil
		return entries[:start]
	}
	slices.SortFunc(c.Bad, func(a, b *LineError) int { return cmp.Compare(a.Line, b.Line) })
	entries = append(entries[:start], slices.DeleteFunc(entries[start:], replaced)...)
	c.Entries = entries[start:len(entries):len(entries)]
	return entries
}

func (p *fileParser) lines(c *Crate, content []byte, entries []Entry) []Entry {
	base := path.Base(c.Path)
	start := len(entries)
	var line []byte
	for n := 1; len(content) > 0 && len(c.Bad) <= maxBad && len(entries)-start <= maxVersions; n++ {
		line, content, _ = bytes.Cut(content, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e, err := p.line(line)
		e.Line = n
		if err == nil && !strings.EqualFold(e.Name, base) {
			err = errors.New("the crate name does not match this index file")
		}
		if err == nil {
			entries, err = p.add(c, entries, e)
		}
		if err != nil {
			c.reject(&e, err)
		}
	}
	return entries
}

// add appends e to entries unless its crate file would overwrite another. If several lines
// have the same version, the last one wins, as in cargo.
func (p *fileParser) add(c *Crate, entries []Entry, e Entry) ([]Entry, error) {
	key := strings.ToLower(e.Version)
	if i, found := p.place[key]; found {
		earlier := &entries[i]
		if earlier.ID != e.ID {
			return entries, fmt.Errorf("collides with %s of line %d where file names ignore case", earlier.ID, earlier.Line)
		}
		if earlier.Checksum != e.Checksum {
			c.reject(earlier, fmt.Errorf("line %d has the same version with another checksum, and wins", e.Line))
		}
		earlier.Line = 0
	}
	p.place[key] = len(entries)
	return append(entries, e), nil
}

// replaced reports whether a later line replaced e.
func replaced(e Entry) bool { return e.Line == 0 }

func (c *Crate) reject(e *Entry, err error) {
	c.Bad = append(c.Bad, &LineError{Path: c.Path, Line: e.Line, ID: e.ID, Err: err})
}
