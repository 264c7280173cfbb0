package replicate

import (
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Result is the result of a replication.
type Result struct {
	From         string
	Root         *root.Root
	Index        string // whose index it is, for people
	Commit       string // of the index; empty: a plain folder
	Bundles      int    // copied
	Here         int    // already here
	Segments     int    // of the deep archive, copied
	SegmentsHere int    // already here
	Versions     int64  // in everything copied
	Bytes        int64  // of everything copied
	Unnamed      int64  // of Versions: no index names them
	Refused      []Refusal
	Summary      *mirror.Summary
}

// Complete reports whether everything of the peer was copied, and the peer has everything
// that the index names.
func (r *Result) Complete() bool {
	complete := len(r.Refused) == 0 && len(r.Root.Writers) > 0 && r.Commit == r.Root.Index.Commit
	for _, w := range r.Root.Writers {
		complete = complete && w.Complete && w.Commit == r.Commit
	}
	return complete
}

// Refusal is a bundle or segment that was refused.
type Refusal struct {
	File string
	Err  error
}

// Print writes the result for a person.
func (r *Result) Print(w io.Writer) {
	came := human.Plural(int64(r.Bundles), "bundle")
	if r.Segments+r.SegmentsHere > 0 {
		came += " and " + human.Plural(int64(r.Segments), "segment")
	}
	fmt.Fprintf(w, "%s came from %s, with %s in %s; %s here already\n", came, human.Printable(r.From),
		human.Plural(r.Versions, "version"), human.Size(r.Bytes), human.Count(int64(r.Here+r.SegmentsHere)))
	fmt.Fprintf(w, "compared with %s\n", r.Index)
	if r.Unnamed > 0 {
		fmt.Fprintf(w, "%s versions are named by no index: they are kept, unverified\n", human.Count(r.Unnamed))
	}
	for _, f := range r.Refused {
		fmt.Fprintf(w, "refused %s: %s\n", f.File, human.Printable(f.Err.Error()))
	}
}

// Verdict returns the error of a completed replication.
func (r *Result) Verdict() error {
	if n := len(r.Refused); n > 0 {
		return verdict.Integrityf("%d files of %s were refused, and nothing of them was published: ask who keeps that mirror", n, r.From)
	}
	return nil
}
