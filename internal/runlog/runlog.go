// Package runlog reads and writes the audit log of a run: manifest.jsonl, with one JSON
// object per line and one line for each crate version that the run handled. This comment is
// the specification of that file. CloneCratesio v1.1.0 (schema_version 1) fixed its fields;
// fields may be added, but none changes. The file is neither a bundle's manifest (package
// bundle) nor the truth about what is held (package catalog): it says what runs did.
//
// # Chain
//
// The last field of a line, "chain", is the SHA-256 of the 32 bytes of the previous line's
// chain, followed by this line without the field (that is, with `,"chain":"..."` removed).
// The first line has the chain that it continues in "prev": 64 zeros, or the last chain of
// the previous manifest. The last chain of a manifest, stored in a safe place, proves later
// that no line before it was changed, removed or added.
//
// # Rotation
//
// A run never writes to an earlier run's manifest. [Create] first renames an existing one
// to {base}-{time}.jsonl.zst. Records are appended in batches and are durable when
// [Writer.Append] returns. A power failure can leave a torn last line, which [Read] reports
// as such (package jsonl) after the complete ones.
package runlog

import (
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// SchemaVersion is the value of schema_version in every record.
const SchemaVersion = 1

// Values of Record.Status.
const (
	Downloaded       = "downloaded"        // downloaded and verified in this run
	Existing         = "existing"          // held, verified by an earlier run
	VerifiedExisting = "verified_existing" // held, hashed again in this run
	Error            = "error"             // not held; Record.Error says why
)

// Values of Record.Storage.
const (
	Filesystem          = "filesystem"
	Bundle              = "bundle"
	FilesystemAndBundle = "filesystem+bundle"
	Deep                = "deep" // in the deep archive alone
)

// Record is one line.
type Record struct {
	SchemaVersion int    `json:"schema_version"`
	URL           string `json:"url"`
	Path          string `json:"path"`                   // loose file, in the form of the operating system
	Storage       string `json:"storage,omitzero"`       // empty if the version is not held
	BundlePath    string `json:"bundle_path,omitzero"`   // bundle file
	BundleMember  string `json:"bundle_member,omitzero"` // path inside the bundle
	Size          int64  `json:"size"`                   // bytes
	SHA256        string `json:"sha256"`                 // of the held bytes, lower-case hexadecimal
	StartedAt     string `json:"started_at"`             // see Time; v1.1.0 leaves finished_at empty on errors
	FinishedAt    string `json:"finished_at"`
	OK            bool   `json:"ok"`
	Error         string `json:"error,omitzero"`
	Retries       int    `json:"retries,omitzero"` // attempts after the first
	Status        string `json:"status,omitzero"`
	Crate         string `json:"crate,omitzero"`
	Version       string `json:"version,omitzero"`
	Replaces      string `json:"replaces,omitzero"` // checksum of the bytes that the version had before it was published again; they are kept
	Prev          string `json:"prev,omitzero"`     // only in the first record: the chain that it continues
}

// ID returns the version of a record; v1.1.0 has it only in the URL.
func (r *Record) ID() (crate.ID, error) {
	if r.Crate != "" {
		id := crate.ID{Name: r.Crate, Version: r.Version}
		return id, id.Check()
	}
	file, err := url.PathUnescape(r.URL[strings.LastIndexByte(r.URL, '/')+1:])
	if err != nil {
		return crate.ID{}, err
	}
	return crate.ParseFileName(path.Base(file))
}

// Time formats a time for a record: RFC 3339 with milliseconds, in UTC.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
