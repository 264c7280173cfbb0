package importtree

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Progress counts what an import does. Other goroutines may read it meanwhile.
type Progress struct {
	files, named, others, hashed, hashedBytes, matched atomic.Int64
	versions, copies, unnamed, damaged                 atomic.Int64
	shared, linked, copied                             atomic.Int64

	mu       sync.Mutex // guards what follows
	phase    string
	problems []error // the first ones
	failed   int64   // number of all of them
	unknown  []string
	bundles  []string // folders
}

// NewProgress counts from zero.
func NewProgress() *Progress { return &Progress{} }

// listed bounds the entries of one kind in a report: people do not read more.
const listed = 20

// logged bounds the lines of one kind in the log.
const logged = 10_000

// maxBundleDirs bounds the folders with bundles that are reported.
const maxBundleDirs = 1000

func (p *Progress) enter(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = phase
}

// problem counts a file or a folder that cannot be read.
func (p *Progress) problem(err *FileError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed++; len(p.problems) < listed {
		p.problems = append(p.problems, err)
	}
}

// notNamed reports a version that the index does not name.
func (p *Progress) notNamed(path string, log *slog.Logger) {
	n := p.unnamed.Add(1)
	if n <= logged {
		log.Debug("the index does not name this version; it stays there", "path", path)
	}
	if n > listed {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unknown = append(p.unknown, path)
}

// bundle records a folder that has bundles.
func (p *Progress) bundle(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.bundles) - 1
	if last+1 < maxBundleDirs && (last < 0 || p.bundles[last] != dir) {
		p.bundles = append(p.bundles, dir)
	}
}

// State returns how far the search of the trees has come.
func (p *Progress) State() console.State {
	p.mu.Lock()
	phase := p.phase
	p.mu.Unlock()
	line := fmt.Sprintf(" %s: %s files, %s named like crates", phase, human.Count(p.files.Load()), human.Count(p.named.Load()))
	if n := p.hashed.Load(); n > 0 {
		line += fmt.Sprintf(", %s hashed (%s)", human.Count(n), human.Size(p.hashedBytes.Load()))
	}
	return console.State{Line: line, Processed: p.files.Load(), Attrs: []any{
		"phase", phase, "files", p.files.Load(), "named", p.named.Load(), "hashed", p.hashed.Load(), "versions", p.versions.Load(),
	}}
}

// Report is what the trees had.
type Report struct {
	Files    int64 // regular files
	Named    int64 // of these, files whose path names a version
	Hashed   int64 // of these, files whose path does not, but that may be crates
	Matched  int64 // of the hashed ones, files whose checksum the index has
	Others   int64 // links, FIFOs, devices: skipped
	Versions int64 // versions that the index names, stored by now or not
	Copies   int64 // further files of these versions
	Unnamed  int64 // files of versions that the index does not name
	Damaged  int64 // versions without a correct file
	Failed   int64 // files and folders that could not be read

	Shared, Linked, Copied int64 // files of the versions that were stored

	Problems []error  // the first that could not be read
	Unknown  []string // the first paths of Unnamed
	Bundles  []string // folders that have bundles
}

func (p *Progress) report() *Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Report{
		Files: p.files.Load(), Named: p.named.Load(), Hashed: p.hashed.Load(), Matched: p.matched.Load(), Others: p.others.Load(),
		Versions: p.versions.Load(), Copies: p.copies.Load(), Unnamed: p.unnamed.Load(), Damaged: p.damaged.Load(), Failed: p.failed,
		Shared: p.shared.Load(), Linked: p.linked.Load(), Copied: p.copied.Load(),
		Problems: p.problems, Unknown: p.unknown, Bundles: p.bundles,
	}
}

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s files were looked at, and left as they are\n", human.Count(r.Files))
	row := console.Rows(w)
	row(r.Versions, "versions that the index names")
	row(r.Copies, "further copies of these")
	row(r.Matched, "of all these found by their checksums: their names say nothing")
	row(r.Linked, "linked: one file with two names; writing to either changes both")
	row(r.Shared, "stored without a copy (reflink)")
	row(r.Copied, "copied")
	row(r.Unnamed, "files of versions that the index does not name")
	row(r.Others, "links, FIFOs, devices: not followed, not opened")
	unknown := make([]error, len(r.Unknown))
	for i, path := range r.Unknown {
		unknown[i] = fmt.Errorf("%s", path)
	}
	console.Problems{Heading: "not in the index:", First: unknown, All: r.Unnamed, More: ", which -log-level debug names"}.Print(w)
	console.Problems{Heading: "not read:", First: r.Problems, All: r.Failed}.Print(w)
}
