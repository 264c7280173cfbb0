package simreg

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Line is a line of a real index with a substitute for its crate file: the same name,
// version and checksum give the same bytes, and any others give other bytes.
type Line struct {
	ID  crate.ID
	Sum crate.Checksum // of the substitute
	// Text is the line byte for byte, except for the checksum, which is Sum.
	Text []byte
	spec Version
}

// ParseLine parses a line of a real index, without its line feed.
func ParseLine(text []byte) (Line, error) {
	var e struct {
		Name, Vers, Cksum string
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return Line{}, fmt.Errorf("reading an index line: %w", err)
	}
	l := Line{ID: crate.ID{Name: e.Name, Version: e.Vers}}
	if err := l.ID.Check(); err != nil {
		return Line{}, fmt.Errorf("reading an index line: %w", err)
	}
	if n := bytes.Count(text, []byte(e.Cksum)); n != 1 || len(e.Cksum) != 2*len(l.Sum) {
		return Line{}, fmt.Errorf("reading the index line of %s: its checksum %q stands there %d times, want once", l.ID, e.Cksum, n)
	}
	l.spec = Version{
		Name: e.Name, Version: e.Vers,
		Lib: fmt.Sprintf("//! Stands in for the crate file with the checksum\n//! %s.\n\npub const ID: &str = %q;\n", e.Cksum, l.ID),
	}
	l.Sum = sha256.Sum256(l.CrateBytes())
	l.Text = bytes.Replace(text, []byte(e.Cksum), []byte(l.Sum.String()), 1)
	return l, nil
}

// CrateBytes builds the crate file.
func (l *Line) CrateBytes() []byte { return archive(&l.spec, 0, 0) }

// Yanked returns the line with the flag set or cleared.
func (l Line) Yanked(yanked bool) Line {
	l.Text = setYanked(l.Text, yanked)
	return l
}

// setYanked changes only that flag. In a line, the key with such a value can only be at the
// top level: a feature of that name has a list.
func setYanked(text []byte, yanked bool) []byte {
	return bytes.Replace(text, fmt.Appendf(nil, `"yanked":%t`, !yanked), fmt.Appendf(nil, `"yanked":%t`, yanked), 1)
}

// SetCrate makes lines the whole index file of a crate, in their order: other versions are
// removed, and those with another checksum are published again. Without lines, the crate is
// removed. It panics if a line belongs to another crate or is there twice.
func (r *Registry) SetCrate(name string, lines ...Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := crate.IndexPath(name)
	old := r.files[path]
	records := make([]*record, 0, len(lines))
	for _, rec := range old {
		r.forget(rec)
	}
	for i := range lines {
		l := &lines[i]
		if l.ID.Name != name || r.records[l.ID] != nil {
			panic(fmt.Sprintf("simreg: setting %s to a line of %s, which is another crate's or comes twice", name, l.ID))
		}
		rec := &record{spec: l.spec, text: l.Text}
		rec.once.Do(func() { rec.sum = l.Sum })
		r.records[l.ID] = rec
		records = append(records, rec)
	}
	r.files[path] = records
	if len(records) == 0 {
		delete(r.files, path)
	}
}
