package root

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
)

// ErrFormat means that an object is not a root in this format; another program wrote it.
var ErrFormat = errors.New("not a root of this program")

// Limits for what a root may name.
const (
	maxFiles   = 1 << 20 // of bundles, of segments
	maxLists   = 8       // beside one
	maxChain   = 1 << 16 // git bundles
	maxWriters = 1 << 12
	maxName    = 240 // bytes: file systems allow 255
	maxWord    = 255 // length of a text for people, bytes
)

// Parse parses a root that may be hostile. Errors: ErrFormat.
func Parse(data []byte) (*Root, error) {
	r, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", Name, err)
	}
	return r, nil
}

func parse(data []byte) (*Root, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrFormat, MaxSize)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("%w: it has format %d, this program knows %d", ErrFormat, head.Format, Format)
	}
	r := new(Root)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	again, err := r.Append(nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("%w: it is not in the form in which roots are written", ErrFormat)
	}
	return r, nil
}

// sorted returns the root with its lists sorted, and no nil lists.
func (r *Root) sorted() *Root {
	s := *r
	s.Written = r.Written.UTC().Truncate(time.Second)
	s.Bundles, s.Segments = byName(r.Bundles), byName(r.Segments)
	s.Index.Chain = append([]File{}, r.Index.Chain...)
	s.Writers = make(map[string]Writer, len(r.Writers))
	for shard, w := range r.Writers {
		w.Time = w.Time.UTC().Truncate(time.Second)
		s.Writers[shard] = w
	}
	s.Superseded = slices.Sorted(slices.Values(r.Superseded))
	return &s
}

func byName(files []File) []File {
	sorted := append([]File{}, files...)
	slices.SortFunc(sorted, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}

// check rejects what our writers never write.
func (r *Root) check() error {
	if r.Generation < 1 || r.Epoch < 1 {
		return fmt.Errorf("generation %d, epoch %d", r.Generation, r.Epoch)
	}
	if len(r.Writers) > maxWriters || len(r.Bundles) > maxFiles || len(r.Segments) > maxFiles || len(r.Index.Chain) > maxChain {
		return errors.New("it names too much")
	}
	for _, shard := range slices.Sorted(maps.Keys(r.Writers)) {
		w := r.Writers[shard]
		if err := w.check(shard, r.Epoch); err != nil {
			return fmt.Errorf("writer %q: %w", shard, err)
		}
	}
	return cmp.Or(
		checkWord("id", r.ID),
		checkFiles(r.Bundles, checkBundleName),
		checkFiles(r.Segments, checkSegmentName),
		r.Index.check(),
		r.Catalog.check(r.Generation),
		r.checkSuperseded(),
	)
}

func (w *Writer) check(shard string, highest int64) error {
	if err := CheckShard(shard); err != nil {
		return err
	}
	if w.Epoch < 0 || w.Epoch > highest {
		return fmt.Errorf("epoch %d", w.Epoch)
	}
	if !w.Bundles.within(bundle.MaxNumber) || !w.Segments.within(deep.MaxNumber) {
		return errors.New("numbers out of range")
	}
	if min(w.Crates, w.Versions, w.Bytes, w.Missing) < 0 {
		return errors.New("negative counts")
	}
	if w.Commit != "" || w.Complete {
		if err := checkCommit(w.Commit); err != nil {
			return err
		}
	}
	return cmp.Or(checkWord("id", w.ID), checkWord("owner", w.Owner))
}

func (w Window) within(highest int) bool {
	return 0 <= w.First && w.First <= w.Next && w.Next <= highest
}

func (i *Index) check() error {
	if len(i.Chain) == 0 {
		if i.Commit != "" || i.Branch != "" {
			return errors.New("an index that is nowhere")
		}
		return nil
	}
	if err := cmp.Or(checkCommit(i.Commit), checkName(i.Branch)); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if last := i.Chain[len(i.Chain)-1].Name; IndexCommit(last) != i.Commit {
		return fmt.Errorf("index: the chain ends with %q, not with commit %s", last, i.Commit)
	}
	seen := map[string]bool{}
	for n := range i.Chain {
		f := &i.Chain[n]
		commit := IndexCommit(f.Name)
		if commit == "" {
			return fmt.Errorf("index: %.80q is not the name of a link", f.Name)
		}
		if err := f.check(checkName); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if seen[commit] {
			return fmt.Errorf("index: commit %s is there twice", commit)
		}
		seen[commit] = true
	}
	return nil
}

func (s *Snapshot) check(generation int64) error {
	if s == nil {
		return nil
	}
	if s.Generation < 1 || s.Generation > generation || s.Name != CatalogName(s.Generation) {
		return fmt.Errorf("catalog %.80q of generation %d", s.Name, s.Generation)
	}
	return s.File.check(checkName)
}

// checkSuperseded accepts only keys of objects that the root does not name, because they
// are removed.
func (r *Root) checkSuperseded() error {
	if len(r.Superseded) > maxFiles {
		return errors.New("it supersedes too much")
	}
	seen := map[string]bool{}
	for key := range r.Objects() {
		seen[key] = true
	}
	for _, key := range r.Superseded {
		dir, name, _ := strings.Cut(key, "/")
		if !slices.Contains([]string{BundlesDir, DeepDir, IndexDir, CatalogDir}, dir) || checkName(name) != nil || seen[key] {
			return fmt.Errorf("superseded %.80q", key)
		}
		seen[key] = true
	}
	return nil
}

// checkFiles checks a list, in which names must be unique.
func checkFiles(files []File, name func(string) error) error {
	seen := make(map[string]bool, len(files))
	for n := range files {
		if err := files[n].check(name); err != nil {
			return err
		}
		for _, f := range append([]File{files[n]}, files[n].Lists...) {
			if seen[f.Name] {
				return fmt.Errorf("%s is there twice", f.Name)
			}
			seen[f.Name] = true
		}
	}
	return nil
}

func (f *File) check(name func(string) error) error {
	if err := cmp.Or(checkName(f.Name), name(f.Name)); err != nil {
		return err
	}
	if f.Size < 0 || f.Entries < 0 || f.Bytes < 0 || len(f.Lists) > maxLists {
		return fmt.Errorf("%s: size %d, %d entries of %d bytes, %d lists", f.Name, f.Size, f.Entries, f.Bytes, len(f.Lists))
	}
	if err := CheckShard(f.Shard); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	for n := range f.Lists {
		l := &f.Lists[n]
		if l.Lists != nil {
			return fmt.Errorf("%s: lists beside a list", l.Name)
		}
		if err := l.check(checkListName); err != nil {
			return err
		}
	}
	return nil
}
