// Package audit verifies the objects of a mirror in a bucket: it downloads every object
// that the root names, one stream each, and hashes it. An object with the checksum in the
// root is the one that was pushed and verified then, so every crate in it is intact.
//
// Run takes objects in the order of their keys, so that a stopped run resumes after the
// last one ([Summary].Last).
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Config configures a run.
type Config struct {
	Bucket bucket.Reader
	Root   *root.Root
	After  string                             // begin after this key; empty: at the first
	Found  func(Problem) error                // called for each problem; an error ends the run
	Done   func(key string, size int64) error // called for each object that was checked
}

// Kind classifies a problem with an object.
type Kind string

const (
	Missing    Kind = "missing"    // absent from the bucket
	Damaged    Kind = "damaged"    // other bytes than pushed
	Unreadable Kind = "unreadable" // the bucket returns an error
)

// Problem describes an object that is not as the root says.
type Problem struct {
	Key  string
	Kind Kind
	Err  error
}

// Summary is the outcome of a run.
type Summary struct {
	Objects, Bytes int64 // that are as the root says
	Problems       map[Kind]int64
	Last           string // every key up to this one was checked
	Complete       bool   // every object was checked
}

// Run hashes all objects, or until ctx ends: then the summary says how far it came, and Run
// returns ctx's cause.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	s := &Summary{Problems: map[Kind]int64{}, Last: cfg.After}
	files := Objects(cfg.Root)
	for _, key := range slices.Sorted(maps.Keys(files)) {
		if key <= cfg.After {
			continue
		}
		if err := s.object(ctx, &cfg, key, files[key]); err != nil {
			return s, err
		}
		s.Last = key
		if cfg.Done != nil {
			if err := cfg.Done(key, files[key].Size); err != nil {
				return s, err
			}
		}
	}
	s.Complete = true
	return s, nil
}

// object checks one object.
func (s *Summary) object(ctx context.Context, cfg *Config, key string, f root.File) error {
	p := look(ctx, cfg.Bucket, key, f)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p != nil && p.Kind == Missing && !stillNamed(ctx, cfg.Bucket, key, f) {
		return nil
	}
	if p == nil {
		s.Objects, s.Bytes = s.Objects+1, s.Bytes+f.Size
		return nil
	}
	s.Problems[p.Kind]++
	if cfg.Found == nil {
		return nil
	}
	return cfg.Found(*p)
}

// stillNamed reports whether the root names an object now. During a run of hours, writers
// drop snapshots, links of the index and bundles from the root, and then delete them. If
// the root cannot be read, stillNamed assumes that it did not change.
func stillNamed(ctx context.Context, b bucket.Reader, key string, f root.File) bool {
	now, _, err := root.Read(ctx, b, "")
	return err != nil || Objects(now)[key].SHA256 == f.SHA256
}

// look hashes an object. It returns nil if the object is as the root says.
func look(ctx context.Context, b bucket.Reader, key string, f root.File) *Problem {
	sum, size, err := hash(ctx, b, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Problem{key, Missing, fmt.Errorf("%s is not in the bucket, and the root names it", key)}
	case err != nil:
		return &Problem{key, Unreadable, fmt.Errorf("%s cannot be read: %w", key, err)}
	case sum != f.SHA256:
		return &Problem{key, Damaged, fmt.Errorf("%s is damaged: %d bytes with sha256 %s, the root names %d with %s", key, size, sum, f.Size, f.SHA256)}
	}
	return nil
}

func hash(ctx context.Context, b bucket.Reader, key string) (sum crate.Checksum, size int64, err error) {
	body, _, err := b.Get(ctx, key, bucket.Ask{})
	if err != nil {
		return sum, 0, err
	}
	sum, size, err = crate.Hash(store.Until(ctx, body))
	return sum, size, errors.Join(err, body.Close())
}

// Objects returns the files that a root names, by key.
func Objects(r *root.Root) map[string]root.File {
	files := map[string]root.File{}
	for dir, list := range map[string][]root.File{root.BundlesDir: r.Bundles, root.DeepDir: r.Segments, root.IndexDir: r.Index.Chain} {
		for _, f := range list {
			files[root.Key(dir, f.Name)] = f
			for _, l := range f.Lists {
				files[root.Key(dir, l.Name)] = l
			}
		}
	}
	if r.Catalog != nil {
		files[root.Key(root.CatalogDir, r.Catalog.Name)] = r.Catalog.File
	}
	return files
}

// Leftovers calls each for every object in the folders of a mirror that the root neither
// names nor supersedes. They come from writers that were interrupted or are still at work.
func Leftovers(ctx context.Context, b bucket.Reader, r *root.Root, each func(bucket.Object) error) error {
	known := map[string]bool{}
	for key := range r.Objects() {
		known[key] = true
	}
	for _, key := range r.Superseded {
		known[key] = true
	}
	for _, dir := range []string{root.BundlesDir, root.CatalogDir, root.DeepDir, root.IndexDir} {
		for o, err := range b.List(ctx, dir+"/") {
			if err != nil {
				return fmt.Errorf("listing %s of %s: %w", dir, b, err)
			}
			if known[o.Key] || !strings.HasPrefix(o.Key, dir+"/") {
				continue
			}
			if err := each(o); err != nil {
				return err
			}
		}
	}
	return nil
}
