package export

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Progress counts the work of a run, for concurrent readers.
type Progress struct {
	total, done             atomic.Int64 // names
	crates, versions, bytes atomic.Int64
	linked, copied, kept    atomic.Int64
	index, removed, pruned  atomic.Int64
	left                    atomic.Int64
	damaged, failed         atomic.Int64

	mu       sync.Mutex // guards problems
	problems []error
}

// Counts is a snapshot of a Progress.
type Counts struct {
	Total, Done int64 // crates that the mirror may show, and those processed

	Crates, Versions, Bytes int64 // in the tree
	Linked, Copied          int64 // new crate files; one with a "+" counts twice
	Kept                    int64 // versions that were already there
	Index                   int64 // index files written
	Removed                 int64 // index files removed
	Pruned                  int64 // crate files removed
	Left                    int64 // lines left out because the bytes are not held
	Damaged, Failed         int64 // see Summary.Problems
}

// maxProblems is how many problems are kept; all are counted.
const maxProblems = 100

// Summary is the outcome of a run.
type Summary struct {
	Counts
	// Problems are versions that are not in the tree because the mirror's copy is damaged,
	// and crates and versions that could not be read or written.
	Problems []error
}

// Snapshot returns the current counts. It may be called at any time.
func (p *Progress) Snapshot() Counts {
	return Counts{
		Total: p.total.Load(), Done: p.done.Load(),
		Crates: p.crates.Load(), Versions: p.versions.Load(), Bytes: p.bytes.Load(),
		Linked: p.linked.Load(), Copied: p.copied.Load(), Kept: p.kept.Load(),
		Index: p.index.Load(), Removed: p.removed.Load(), Pruned: p.pruned.Load(),
		Left: p.left.Load(), Damaged: p.damaged.Load(), Failed: p.failed.Load(),
	}
}

func (p *Progress) summary() *Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Summary{p.Snapshot(), p.problems}
}

func (p *Progress) version(size int64) {
	p.versions.Add(1)
	p.bytes.Add(size)
}

func (p *Progress) problem(err error) {
	if errors.As(err, new(*reader.DamagedError)) || errors.As(err, new(*crate.ChecksumError)) {
		p.damaged.Add(1)
	} else {
		p.failed.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, err)
	}
}

// Print prints the outcome of an export to a folder.
func (s *Summary) Print(w io.Writer, dir string) {
	fmt.Fprintf(w, "%s of %s (%s) are in %s\n", human.Plural(s.Versions, "version"), human.Plural(s.Crates, "crate"), human.Size(s.Bytes), dir)
	row := console.Rows(w)
	row(s.Kept, "were there")
	row(s.Linked, "files linked")
	row(s.Copied, "files copied")
	row(s.Index, "index files written")
	row(s.Removed, "index files removed: no version of these crates is shown")
	row(s.Pruned, "crate files removed that no line names")
	row(s.Left, "lines of these crates left out: the mirror does not hold their bytes")
	row(s.Damaged, "not exported: the mirror's copy is damaged")
	row(s.Failed, "could not be read or written")
	console.Problems{First: s.Problems, All: s.Damaged + s.Failed}.Print(w)
}
