package pull

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
)

// A file below pulled/index/ begins with a line of JSON, its header. Then come the lines
// that upstream has, byte for byte, and last those of pulled versions that upstream no
// longer has, or has with another checksum. The file is not synced until one of its
// versions is pulled, so the header has a hash of the rest: if a power failure damaged the
// file, it counts as missing.

// format of the header; a file in another format counts as missing.
const format = 1

// maxHeader bounds the header, in bytes.
const maxHeader = 4 << 10

type header struct {
	Format       int            `json:"format"`
	SHA256       crate.Checksum `json:"sha256"` // of what follows
	Named        int            `json:"named"`  // bytes of the lines that upstream has
	Checked      time.Time      `json:"checked"`
	ETag         string         `json:"etag,omitzero"`
	LastModified string         `json:"last_modified,omitzero"`
}

// lines is the known lines of a crate.
type lines struct {
	named   []index.Entry // upstream has them
	kept    []index.Entry // their bytes were pulled
	checked time.Time     // when upstream last confirmed them
	have    sparse.Validator
	stale   bool           // upstream could not be asked
	sum     crate.Checksum // of the lines as in the file
}

// refuse removes lines of upstream; upstream must then be asked for all of them again.
func (l *lines) refuse(which func(*index.Entry) bool) {
	l.named = slices.DeleteFunc(l.named, func(e index.Entry) bool { return which(&e) })
	l.have = sparse.Validator{}
}

// keepOnly adds a line that upstream does not have, or no longer has, and replaces any
// other line of its version.
func (l *lines) keepOnly(line *index.Entry) {
	l.refuse(func(e *index.Entry) bool { return e.Version == line.Version })
	l.kept = append(l.kept, *line)
}

// encode returns the content of the file.
func (l *lines) encode() ([]byte, error) {
	var body bytes.Buffer
	write := func(entries []index.Entry) {
		for i := range entries {
			body.Write(entries[i].Raw)
			body.WriteByte('\n')
		}
	}
	write(l.named)
	named := body.Len()
	write(l.kept)
	l.sum = sha256.Sum256(body.Bytes())
	head, err := json.Marshal(header{format, l.sum, named, l.checked.UTC(), l.have.ETag, l.have.LastModified})
	if err != nil {
		return nil, err
	}
	return append(append(head, '\n'), body.Bytes()...), nil
}

var errTorn = errors.New("it is not whole")

// decode parses a file.
func decode(name string, data []byte, log *slog.Logger) (*lines, error) {
	head, body, ok := bytes.Cut(data, []byte("\n"))
	var h header
	switch {
	case !ok || len(head) > maxHeader || json.Unmarshal(head, &h) != nil:
		return nil, errTorn
	case h.Format != format:
		return nil, fmt.Errorf("its format is %d, want %d", h.Format, format)
	case h.Named < 0 || h.Named > len(body) || sha256.Sum256(body) != h.SHA256:
		return nil, errTorn
	}
	l := &lines{checked: h.Checked, sum: h.SHA256, have: sparse.Validator{ETag: h.ETag, LastModified: h.LastModified}}
	for _, part := range []struct {
		to   *[]index.Entry
		text []byte
	}{{&l.named, body[:h.Named]}, {&l.kept, body[h.Named:]}} {
		*part.to = parse(name, part.text, log)
	}
	return l, nil
}

// maxVersions bounds the lines of one crate. The largest crate of crates.io has some 1,600.
const maxVersions = 1 << 16

// parse parses the valid lines of a crate. If several have the same version, the last one
// wins, as in cargo.
func parse(name string, text []byte, log *slog.Logger) []index.Entry {
	var entries []index.Entry
	place := map[string]int{}
	n := 0
	for line := range bytes.Lines(text) {
		if n++; n > maxVersions {
			log.Warn("a crate has too many lines; the rest is ignored", "crate", name, "lines", n-1)
			break
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e, err := index.ParseLine(line)
		if err == nil && !strings.EqualFold(e.Name, name) {
			err = errors.New("the crate name does not match this index file")
		}
		if err != nil {
			log.Warn("a line of upstream's index cannot be parsed and is left out", "crate", name, "line", n, "err", err)
			continue
		}
		e.Line = n
		if at, ok := place[e.Version]; ok {
			entries[at] = e
			continue
		}
		place[e.Version] = len(entries)
		entries = append(entries, e)
	}
	return entries
}

// find returns the line of a version, and whether upstream still has it. With a checksum,
// it returns the line that names those bytes. The name may have another case.
func (l *lines) find(id crate.ID, sum *crate.Checksum) (e *index.Entry, named bool) {
	is := func(e *index.Entry) bool { return e.Version == id.Version && (sum == nil || e.Checksum == *sum) }
	for i := range l.named {
		if is(&l.named[i]) {
			return &l.named[i], true
		}
	}
	for i := range l.kept {
		if is(&l.kept[i]) {
			return &l.kept[i], false
		}
	}
	return nil, false
}
