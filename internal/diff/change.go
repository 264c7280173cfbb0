package diff

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A Kind says how a version changed.
type Kind uint8

// Kinds. The last four may apply to a version together.
const (
	Added Kind = iota
	Removed
	Republished // with other bytes
	Yanked
	Unyanked
	Changed // in other fields of its line
)

var names = [...]string{"added", "removed", "republished", "yanked", "unyanked", "changed"}

// Kinds are all kinds, in the order in which reports list them.
var Kinds = []Kind{Added, Removed, Republished, Yanked, Unyanked, Changed}

func (k Kind) String() string { return names[k] }

// A Change says how one version changed.
type Change struct {
	Kind Kind
	// Key identifies the bytes that the index names afterwards, or that it named before if
	// it no longer names any.
	crate.Key
	Was    crate.Checksum // Republished: the earlier bytes
	Size   int64          // in bytes, if a mirror holds it; else 0
	Crate  bool           // Added, Removed: the whole crate was
	Yanked bool           // Added, Removed: the version is, or was
	Fields []string       // Changed: names of the fields; none if only the formatting of the line differs
	Held   *bool          // whether the mirror holds the bytes; nil: unknown
}

// Compare returns the changes of a crate's versions, in the order of its file, removed
// versions first. A nil side has no versions; if a side could not be read, nothing is
// compared.
func Compare(before, after *index.Crate) []Change {
	was, is := sideOf(before), sideOf(after)
	if was.unread || is.unread {
		return nil
	}
	var changes []Change
	for i := range was.entries {
		if e := &was.entries[i]; is.byID[e.ID] == nil && !is.bad[e.ID] {
			changes = append(changes, Change{Kind: Removed, Key: keyOf(e), Crate: after == nil, Yanked: e.Yanked})
		}
	}
	for i := range is.entries {
		e := &is.entries[i]
		if old := was.byID[e.ID]; old != nil {
			changes = appendChanges(changes, old, e)
		} else if !was.bad[e.ID] {
			changes = append(changes, Change{Kind: Added, Key: keyOf(e), Crate: before == nil, Yanked: e.Yanked})
		}
	}
	return changes
}

// side is a crate at one of the two commits.
type side struct {
	entries []index.Entry
	byID    map[crate.ID]*index.Entry
	bad     map[crate.ID]bool // versions whose line cannot be parsed
	unread  bool
}

func sideOf(c *index.Crate) side {
	if c == nil {
		return side{}
	}
	s := side{c.Entries, make(map[crate.ID]*index.Entry, len(c.Entries)), make(map[crate.ID]bool), c.Err != nil}
	for i := range c.Entries {
		s.byID[c.Entries[i].ID] = &c.Entries[i]
	}
	for _, bad := range c.Bad {
		s.bad[bad.ID] = true
	}
	return s
}

func keyOf(e *index.Entry) crate.Key { return crate.Key{ID: e.ID, Checksum: e.Checksum} }

// appendChanges appends the changes of a version that both sides have.
func appendChanges(changes []Change, old, e *index.Entry) []Change {
	if bytes.Equal(old.Raw, e.Raw) {
		return changes
	}
	n := len(changes)
	if old.Checksum != e.Checksum {
		changes = append(changes, Change{Kind: Republished, Key: keyOf(e), Was: old.Checksum})
	}
	if e.Yanked && !old.Yanked {
		changes = append(changes, Change{Kind: Yanked, Key: keyOf(e)})
	}
	if old.Yanked && !e.Yanked {
		changes = append(changes, Change{Kind: Unyanked, Key: keyOf(e)})
	}
	if fields := differing(old.Raw, e.Raw); len(fields) > 0 || len(changes) == n {
		changes = append(changes, Change{Kind: Changed, Key: keyOf(e), Fields: fields})
	}
	return changes
}

// Limits of the list of changed fields: a real line has a dozen. Their names are untrusted.
const (
	maxFields    = 16
	maxFieldName = 64 // bytes
)

// differing returns the names of the fields in which two lines differ, except those that
// have their own kinds.
func differing(before, after []byte) (fields []string) {
	was, is := fieldsOf(before), fieldsOf(after)
	add := func(name string) {
		if name != "cksum" && name != "yanked" {
			fields = append(fields, strings.ToValidUTF8(name[:min(len(name), maxFieldName)], ""))
		}
	}
	for name, value := range is {
		if !bytes.Equal(was[name], value) {
			add(name)
		}
	}
	for name := range was {
		if _, there := is[name]; !there {
			add(name)
		}
	}
	slices.Sort(fields)
	return fields[:min(len(fields), maxFields)]
}

// fieldsOf returns the fields of a line that the index has parsed, with whitespace removed
// from the values.
func fieldsOf(line []byte) map[string]jsontext.Value {
	var fields map[string]jsontext.Value
	if json.Unmarshal(line, &fields, jsontext.AllowDuplicateNames(true)) != nil {
		return nil
	}
	for name, value := range fields {
		if value.Compact(jsontext.AllowDuplicateNames(true)) == nil {
			fields[name] = value
		}
	}
	return fields
}
