package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Census compares the contents of a mirror, according to the lists of its files, with an
// index.
type Census struct {
	Bucket        bucket.Reader
	Root          *root.Root
	Index         *index.Index
	Scratch       string // folder
	ExcludeYanked bool   // do not report yanked versions as missing
}

// Finding is a version with a problem.
type Finding struct {
	What    string   `json:"what"` // Missing, Doubled or Foreign
	Crate   string   `json:"crate"`
	Version string   `json:"version"`
	SHA256  string   `json:"sha256"`
	Files   []string `json:"files,omitempty"` // that contain it
}

// The kinds of findings.
const (
	Missing = "missing" // the index names it, and no file contains it
	Doubled = "doubled" // more than one bundle, or more than one segment, contains it
	Foreign = "foreign" // the file is of a shard to which its crate does not belong
)

// maxFindings is how many findings of a kind are listed: more than a person reads.
const maxFindings = 1000

// Counted is the result of a census.
type Counted struct {
	Commit     string           `json:"commit"`     // of the index
	Generation int64            `json:"generation"` // of the root
	Shards     []string         `json:"shards"`     // that have files or a writer
	Named      int64            `json:"named"`      // versions that the index names
	Held       int64            `json:"held"`       // of these, versions that are stored
	Kept       int64            `json:"kept"`       // versions that are stored but not in the index, or no longer
	Bundled    int64            `json:"bundled"`    // entries in bundles
	Packed     int64            `json:"packed"`     // entries in segments
	BadLines   int64            `json:"bad_lines"`  // lines of the index that cannot be parsed, whose versions cannot be stored
	Counts     map[string]int64 `json:"counts"`     // number of findings by kind
	Findings   []Finding        `json:"findings,omitempty"`
}

// censusAtLeast is the least number of records to expect, however little the root names.
const censusAtLeast = 64 * partSize

// Count runs the census. It reads the index, the lists of bundles and the directories of
// segments. Errors: *ListError; those of the bucket and the index.
func (c Census) Count(ctx context.Context) (_ *Counted, err error) {
	dir, err := os.MkdirTemp(c.Scratch, "census-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	total := int64(0)
	for _, f := range slices.Concat(c.Root.Bundles, c.Root.Segments) {
		total += int64(f.Entries)
	}
	s, err := newSpool(dir, max(2*total, censusAtLeast)) // the index has about as many
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := c.held(ctx, dir, s); err != nil {
		return nil, err
	}
	r := &Counted{Commit: c.Index.Commit(), Generation: c.Root.Generation, Shards: c.shards(), Counts: map[string]int64{}}
	if err := c.named(ctx, s, r); err != nil {
		return nil, err
	}
	for records, err := range s.parts() {
		if err != nil {
			return nil, err
		}
		c.compare(records, r)
	}
	return r, nil
}

func (c *Census) held(ctx context.Context, dir string, s *spool) error {
	empty, err := durable.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(collect(ctx, c.Bucket, empty, c.Root, s), empty.Close())
}

// named adds what the index names to the spool.
func (c *Census) named(ctx context.Context, s *spool, r *Counted) error {
	for cr, err := range c.Index.Crates(ctx, nil) {
		if err != nil {
			return err
		}
		if cr.Err != nil {
			r.BadLines++
		}
		r.BadLines += int64(len(cr.Bad))
		for i := range cr.Entries {
			e := &cr.Entries[i]
			if e.Yanked && c.ExcludeYanked {
				continue
			}
			if err := s.add(&record{Key: crate.Key{ID: e.ID, Checksum: e.Checksum}, Index: true, Yanked: e.Yanked}); err != nil {
				return err
			}
		}
	}
	return nil
}

// shards returns the shards that have files or a writer.
func (c *Census) shards() []string {
	names := map[string]bool{}
	for shard, w := range c.Root.Writers {
		if w.Epoch > 0 {
			names[shard] = true
		}
	}
	for _, f := range slices.Concat(c.Root.Bundles, c.Root.Segments) {
		names[f.Shard] = true
	}
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return list
}

// seen collects what the sources say about one version with its bytes.
type seen struct {
	named           bool
	bundles, packed []int // numbers of files in the root
}

// compare adds to r what the records of some crates show.
func (c *Census) compare(records []record, r *Counted) {
	all := make(map[crate.Key]*seen, len(records))
	for i := range records {
		rec := &records[i]
		v := all[rec.Key]
		if v == nil {
			v = new(seen)
			all[rec.Key] = v
		}
		switch {
		case rec.Index:
			v.named = true
		case rec.Deep:
			v.packed, r.Packed = append(v.packed, rec.File), r.Packed+1
		default:
			v.bundles, r.Bundled = append(v.bundles, rec.File), r.Bundled+1
		}
	}
	for key, v := range all {
		c.judge(key, v, r)
	}
}

func (c *Census) judge(key crate.Key, v *seen, r *Counted) {
	held := len(v.bundles)+len(v.packed) > 0
	switch {
	case v.named && held:
		r.Named, r.Held = r.Named+1, r.Held+1
	case v.named:
		r.Named++
		r.found(Missing, key, nil)
	default:
		r.Kept++
	}
	for _, files := range [][]string{c.files(c.Root.Bundles, v.bundles), c.files(c.Root.Segments, v.packed)} {
		if len(files) > 1 {
			r.found(Doubled, key, files)
		}
	}
	for _, list := range []struct {
		of []root.File
		in []int
	}{{c.Root.Bundles, v.bundles}, {c.Root.Segments, v.packed}} {
		for _, n := range list.in {
			if shard, err := crate.ParseShard(list.of[n].Shard); err == nil && !shard.Has(key.Name) {
				r.found(Foreign, key, []string{list.of[n].Name})
			}
		}
	}
}

func (c *Census) files(of []root.File, numbers []int) (names []string) {
	for _, n := range numbers {
		names = append(names, of[n].Name)
	}
	return names
}

func (r *Counted) found(what string, key crate.Key, files []string) {
	if r.Counts[what]++; r.Counts[what] <= maxFindings {
		r.Findings = append(r.Findings, Finding{what, key.Name, key.Version, key.Checksum.String(), files})
	}
}

// Print writes the result to w, for people.
func (r *Counted) Print(w io.Writer) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s: %s %s", f.What, f.Crate, f.Version)
		if len(f.Files) > 0 {
			fmt.Fprintf(w, " in %s", human.Printable(strings.Join(f.Files, ", ")))
		}
		fmt.Fprintln(w)
	}
	for _, what := range []string{Missing, Doubled, Foreign} {
		if more := r.Counts[what] - maxFindings; more > 0 {
			fmt.Fprintf(w, "%s: %s more\n", what, human.Count(more))
		}
	}
	how := ""
	if r.Verdict() == nil {
		how = ", each once and by the shard that it belongs to"
	}
	fmt.Fprintf(w, "%s of %s versions that the index names at %.12s are held%s\n", human.Count(r.Held), human.Count(r.Named), r.Commit, how)
	for _, line := range []struct {
		n    int64
		what string
	}{{r.Bundled, "in bundles"}, {r.Packed, "in the deep archive"}, {r.Kept, "held, and not named by the index"}} {
		fmt.Fprintf(w, "%12s  %s\n", human.Count(line.n), line.what)
	}
	_, err := fmt.Fprintf(w, "%s, generation %d of the root\n", human.Plural(int64(len(r.Shards)), "shard"), r.Generation)
	return err
}

// Verdict returns the error for what is wrong with the mirror, or nil. Versions that are
// stored twice only cost space.
func (r *Counted) Verdict() error {
	var parts []string
	for _, what := range []string{Missing, Doubled, Foreign} {
		if n := r.Counts[what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", human.Plural(n, "version"), what))
		}
	}
	if r.BadLines > 0 {
		parts = append(parts, human.Plural(r.BadLines, "line")+" of the index that cannot be used")
	}
	if len(parts) == 0 {
		return nil
	}
	return verdict.Incompletef("the mirror in the bucket is not what the index names, once: %s", strings.Join(parts, ", "))
}
