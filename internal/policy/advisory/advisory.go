// Package advisory reads security advisories about crates: those of RustSec (a clone of
// github.com/rustsec/advisory-db) and those in the OSV format (ossf.github.io, "Open
// Source Vulnerability format"), as osv.dev exports them and
// github.com/ossf/malicious-packages keeps them.
//
// # Where it reads
//
// [Load] takes folders and git repositories, bare ones too. Of a repository it reads HEAD's
// commit. RustSec's advisories are the files crates/{name}/{id}.md, Markdown that begins with
// TOML; those below rust/ are about programs of the Rust project and no crates. OSV's are the
// files *.json that say what is "affected"; other ecosystems than crates.io are left out.
//
// # Which versions one is about
//
// RustSec: every version that is neither patched nor unaffected, where requirements are
// intervals of the order of versions and not what cargo makes of them: 1.2.0-rc.1 is before
// 1.2.0, so that ">=1.2.0" leaves it affected, and a caret ends before the pre-releases of
// what it leaves out (the crate rustsec, osv/unaffected_range.rs). OSV: those that are
// listed, and those that the events of a SEMVER range lead to (its "Evaluation"). A version
// that cannot be read is affected by all.
//
// # Limits
//
// An advisory has at most 1 MiB, a folder 500,000 files, all together 200,000 advisories of
// crates. One that cannot be parsed is reported ([DB.Problems]), and costs no other.
package advisory

import (
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Kinds of advisories that tell of no vulnerability. There may be others.
const (
	Unmaintained = "unmaintained"
	Unsound      = "unsound"
	Notice       = "notice"
)

// An Advisory is what is wrong with some versions of one crate.
type Advisory struct {
	ID      string    // as in RUSTSEC-2021-0003
	Aliases []string  // the same thing elsewhere: CVE-..., GHSA-...
	Crate   string    // its name
	Title   string    // one line
	URL     string    // where more is said; may be empty
	Date    time.Time // when it was made known; zero: it does not say
	// Withdrawn is when it was taken back, zero if it was not.
	Withdrawn     time.Time
	Severity      Severity
	Informational string // its kind, empty for a vulnerability
	Malicious     bool   // the crate was made to do harm

	affected ranges
}

// Affects reports whether the advisory is about a version, given as it is written and
// parsed; nil is one that cannot be parsed.
func (a *Advisory) Affects(text string, v *semver.Version) bool {
	return v == nil || a.affected.have(text, v)
}

// IsOneOf reports whether the advisory is known under one of ids.
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

	crates map[string][]*Advisory // by the folded name
	number int
	newest time.Time
}

// A Problem is a file that is no advisory and should be.
type Problem struct {
	Path string // of the folder and in it
	Err  error
}

// Len is how many advisories there are, withdrawn ones too. One that is about several
// crates counts for each.
func (db *DB) Len() int { return db.number }

// Newest is the latest date of one: how up to date the set is.
func (db *DB) Newest() time.Time { return db.newest }

// Of returns the advisories about a crate, given by its folded name: lower case, "_" for "-".
func (db *DB) Of(folded []byte) []*Advisory { return db.crates[string(folded)] }

// Crates returns the folded names of all crates that advisories are about.
func (db *DB) Crates() []string {
	names := make([]string, 0, len(db.crates))
	for name := range db.crates {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// maxTitle is how many bytes of a title are kept.
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
