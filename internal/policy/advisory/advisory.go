// Package advisory reads security advisories about crates: from RustSec (a clone of
// github.com/rustsec/advisory-db), or in the OSV format (ossf.github.io, "Open Source
// Vulnerability format"), as osv.dev exports them and github.com/ossf/malicious-packages has
// them.
//
// # Sources
//
// [Load] reads folders and git repositories, including bare ones; in a repository it reads
// HEAD's commit. RustSec's advisories are the files crates/{name}/{id}.md, Markdown that
// begins with TOML; those below rust/ are about programs of the Rust project, not crates.
// OSV's are the files *.json with an "affected" field; ecosystems other than crates.io are
// skipped.
//
// # Affected versions
//
// RustSec: every version that is neither patched nor unaffected. Requirements are intervals
// in the order of versions, unlike in cargo: 1.2.0-rc.1 is before 1.2.0, so with ">=1.2.0" it
// stays affected, and a caret ends before the pre-releases of its upper limit (the crate
// rustsec, osv/unaffected_range.rs). OSV: the listed versions, and those from the events of a
// SEMVER range (its "Evaluation"). All advisories affect a version that cannot be parsed.
//
// # Limits
//
// An advisory has at most 1 MiB, a folder 500,000 files, and all folders together 200,000
// advisories. One that cannot be parsed is reported ([DB.Problems]) and does not affect the
// others.
package advisory

import (
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Kinds of advisories other than vulnerabilities. There may be others.
const (
	Unmaintained = "unmaintained"
	Unsound      = "unsound"
	Notice       = "notice"
)

// An Advisory is a problem with some versions of one crate.
type Advisory struct {
	ID      string    // for example RUSTSEC-2021-0003
	Aliases []string  // the same problem elsewhere: CVE-..., GHSA-...
	Crate   string    // its name
	Title   string    // one line
	URL     string    // for more information; may be empty
	Date    time.Time // of publication; zero: unknown
	// Withdrawn is when it was withdrawn, or zero.
	Withdrawn     time.Time
	Severity      Severity
	Informational string // its kind, empty for a vulnerability
	Malicious     bool   // the crate was made to do harm

	affected ranges
}

// Affects reports whether the advisory affects a version, given as text and parsed; v is
// nil if it cannot be parsed.
func (a *Advisory) Affects(text string, v *semver.Version) bool {
	return v == nil || a.affected.have(text, v)
}

// IsOneOf reports whether the advisory has one of ids.
func (a *Advisory) IsOneOf(ids []string) bool {
	return slices.ContainsFunc(ids, func(id string) bool {
		return strings.EqualFold(a.ID, id) ||
			slices.ContainsFunc(a.Aliases, func(alias string) bool { return strings.EqualFold(alias, id) })
	})
}

// A DB is a set of advisories. It does not change.
type DB struct {
	// Problems are the files that cannot be parsed.
	Problems []Problem

	crates map[string][]*Advisory // by folded name
	number int
	newest time.Time
}

// A Problem is a file that should be an advisory but is not.
type Problem struct {
	Path string // of the folder, and within it
	Err  error
}

// Len returns the number of advisories, including withdrawn ones. One about several crates
// counts for each.
func (db *DB) Len() int { return db.number }

// Newest returns the latest date of an advisory, which shows how current the set is.
func (db *DB) Newest() time.Time { return db.newest }

// Of returns the advisories about a crate, given by its folded name: lower case, "_" for "-".
func (db *DB) Of(folded []byte) []*Advisory { return db.crates[string(folded)] }

// Crates returns the folded names of all crates with advisories.
func (db *DB) Crates() []string {
	names := make([]string, 0, len(db.crates))
	for name := range db.crates {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// maxTitle is the maximum length of a title, in bytes; the rest is cut off.
const maxTitle = 200

func (db *DB) add(a *Advisory) {
	a.Title = human.Printable(strings.ToValidUTF8(a.Title[:min(maxTitle, len(a.Title))], ""))
	name := strings.ReplaceAll(strings.ToLower(a.Crate), "-", "_")
	db.crates[name] = append(db.crates[name], a)
	db.number++
	if a.Date.After(db.newest) {
		db.newest = a.Date
	}
}
