package plan

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// maxListLine bounds a line of a list or a checksum file, in bytes.
const maxListLine = 1 << 20

// ReadList reads a list of URLs, one per line. It skips blank lines and lines that begin
// with "#". It looks up a crate's checksum in sums by the name and version at the end of
// its URL, "{name}-{version}.crate" or "{name}/{version}/download". Lines with another URL,
// or without a checksum, are in bad.
func ReadList(r io.Reader, name string, sums Checksums) (entries []Item, bad []BadEntry, err error) {
	seen := map[string]crate.ID{} // by FoldKey
	err = eachLine(r, name, func(n int, line string) {
		if line == "" || strings.HasPrefix(line, "#") {
			return
		}
		id, err := idOfURL(line)
		sum, known := sums[id]
		if err == nil && !known {
			err = errNoChecksum
		}
		other, again := seen[id.FoldKey()]
		if err == nil && again && other != id {
			err = fmt.Errorf("%s and %s differ in case alone", id, other) // A20
		}
		switch {
		case err != nil:
			bad = append(bad, BadEntry{ID: id, Err: fmt.Errorf("%s:%d: %w", name, n, err)})
		case !again:
			seen[id.FoldKey()] = id
			entries = append(entries, Item{ID: id, Checksum: sum, URL: canonical(line)})
		}
	})
	return entries, bad, err
}

// ReadChecksums reads a JSONL file of {"url":...,"sha256":...}. A line in another form is
// an error: an unreadable checksum must not look like a missing one.
func ReadChecksums(r io.Reader, name string) (Checksums, error) {
	sums := Checksums{}
	var first error
	err := eachLine(r, name, func(n int, line string) {
		if line == "" || first != nil {
			return
		}
		if err := sums.add(line); err != nil {
			first = fmt.Errorf("%s:%d: %w", name, n, err)
		}
	})
	if err == nil {
		err = first
	}
	return sums, err
}

func (c Checksums) add(line string) error {
	var entry struct {
		URL    string `json:"url"`
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return err
	}
	id, err := idOfURL(entry.URL)
	if err != nil {
		return err
	}
	sum, err := crate.ParseChecksum(entry.SHA256)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	c[id] = sum
	return nil
}

// idOfURL parses the crate in a URL's path, whose "+" may be escaped.
func idOfURL(raw string) (crate.ID, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return crate.ID{}, fmt.Errorf("%.200q is not a URL", raw)
	}
	if dir, ok := strings.CutSuffix(u.Path, "/download"); ok {
		id := crate.ID{Name: path.Base(path.Dir(dir)), Version: path.Base(dir)}
		return id, id.Check()
	}
	return crate.ParseFileName(path.Base(u.Path))
}

// canonical escapes a raw "+" in the path: static.crates.io only knows "%2B".
func canonical(raw string) string {
	before, query, found := strings.Cut(raw, "?")
	before = strings.ReplaceAll(before, "+", "%2B")
	if found {
		return before + "?" + query
	}
	return before
}

func eachLine(r io.Reader, name string, fn func(n int, line string)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxListLine)
	n := 0
	for s.Scan() {
		n++
		fn(n, strings.TrimSpace(s.Text()))
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("reading %s after line %d: %w", name, n, err)
	}
	return nil
}
