package push

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// twoIndexes are two mirror folders whose indexes have the same commit, but make
// different git bundles, as versions of git and repacked repositories do.
func twoIndexes(t *testing.T) (one, two, commit string) {
	t.Helper()
	one, two = t.TempDir(), t.TempDir()
	index := dirs(one).Index
	must(t, os.MkdirAll(index, 0o755))
	indextest.Git(t, index, "init", "-q", "-b", "master")
	must(t, os.WriteFile(filepath.Join(index, "file"), []byte(strings.Repeat("line ", 1000)), 0o644))
	indextest.Git(t, index, "add", "file")
	indextest.Git(t, index, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "all")
	commit = indextest.Git(t, index, "rev-parse", "HEAD")
	indextest.Git(t, index, "clone", "-q", index, dirs(two).Index)
	indextest.Git(t, dirs(two).Index, "config", "pack.compression", "0")
	indextest.Git(t, dirs(two).Index, "config", "core.compression", "0")
	indextest.Git(t, dirs(two).Index, "repack", "-q", "-a", "-d", "-F")
	return one, two, commit
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// round is a round that finds nothing to fetch.
func (w *world) round(dir, commit string) error {
	return w.open(dir, func(p *Pusher, _ *home.Writer) error {
		return p.Round(w.t.Context(), Round{Commit: commit, Complete: true})
	})
}

// A writer that slept after it had uploaded the index finds another one's: what that one
// has put, and the root names, stays there.
func TestTakenOverAtTheIndex(t *testing.T) {
	one, two, commit := twoIndexes(t)
	w := newWorld(t, 0)
	w.change = func(cfg *Config) {
		cfg.Bucket = &interruptedAfter{cfg.Bucket, func() {
			w.change = nil
			must(t, w.bucket.Remove(t.Context(), root.LeaseName)) // as if it had ended
			must(t, w.round(two, commit))
		}}
	}
	if err := w.round(one, commit); !errors.Is(err, root.ErrFenced) {
		t.Errorf("the writer that slept: %v", err)
	}
	if r := w.named(); r.Index.Commit != commit {
		t.Errorf("the root names an index with commit %q", r.Index.Commit)
	}
}

// interruptedAfter is a bucket in which something happens after an index was uploaded.
type interruptedAfter struct {
	bucket.Bucket
	do func()
}

func (i *interruptedAfter) Upload(ctx context.Context, key string, body bucket.Body, parts bucket.Parts) (bucket.Tag, error) {
	tag, err := i.Bucket.Upload(ctx, key, body, parts)
	if strings.HasPrefix(key, root.IndexDir) {
		i.do()
	}
	return tag, err
}

// Two shards come to the same commit at a time. One names its index, the other is no
// failure, and its object is removed later.
func TestShardsPushTheIndex(t *testing.T) {
	one, two, commit := twoIndexes(t)
	w := newWorld(t, 0)
	shard := 0
	w.change = func(cfg *Config) { cfg.Shard = crate.Shard{Index: shard, Of: 2} }
	err := w.open(one, func(first *Pusher, _ *home.Writer) error {
		shard = 1
		if err := w.round(two, commit); err != nil {
			t.Errorf("the one: %v", err)
		}
		return first.Round(t.Context(), Round{Commit: commit, Complete: true})
	})
	if err != nil {
		t.Errorf("the other: %v", err)
	}
	for range 2 {
		must(t, w.round(two, commit))
	}
	named := slices.Collect(w.named().Objects())
	for o, err := range w.inner.List(t.Context(), root.IndexDir+"/") {
		must(t, err)
		if !slices.Contains(named, o.Key) {
			t.Errorf("%s is there, and not named", o.Key)
		}
	}
}
