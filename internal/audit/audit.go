// Package audit hashes what a mirror in a bucket is made of: every object that its root
// names, whole, in one stream each. What has the checksum that the root names is what
// was pushed and read back then, with every crate in it.
//
// Objects are taken in the order of their keys, so that a run that was stopped resumes
// after the last one ([Summary].Last).
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

// Config is a run.
type Config struct {
	Bucket bucket.Reader
	Root   *root.Root
	After  string                             // begin behind this key; empty: with the first
	Found  func(Problem) error                // is called for each problem; an error ends the run
	Done   func(key string, size int64) error // is called for each object that was looked at
}

// Kind is what is wrong with an object.
type Kind string

const (
	Missing    Kind = "missing"    // it is not there
	Damaged    Kind = "damaged"    // it has other bytes
	Unreadable Kind = "unreadable" // the bucket does not give it
)

// Problem is an object that is not what the root names.
type Problem struct {
	Key  string
	Kind Kind
	Err  error
}

// Summary is the outcome of a run.
type Summary struct {
	Objects, Bytes int64 // that are what they should be
	Problems       map[Kind]int64
	Last           string // everything up to this key was looked at
	Complete       bool   // up to the end
}

// Run hashes until all is done, or until ctx is: then the summary says how far it came,
// and Run returns ctx's cause.
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

// object looks at one.
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

// stillNamed reports whether the root names an object now. A run takes hours, in which
// writers take snapshots, links of the index and bundles out of the root, and then away.
// If the root cannot be read, it is taken to be as it was.
func stillNamed(ctx context.Context, b bucket.Reader, key string, f root.File) bool {
	now, _, err := root.Read(ctx, b, "")
	return err != nil || Objects(now)[key].SHA256 == f.SHA256
}

// look hashes an object; nil: it is what the root names.
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

// Objects are the files that a root names, by their keys.
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

// Leftovers calls each for objects in the folders of a mirror that the root does not
// name, and does not supersede: of writers that were cut off, or are at work.
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
