package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// filled returns a bucket with objects that a root names.
func filled(t *testing.T) (*buckettest.Faulty, *root.Root) {
	t.Helper()
	b := buckettest.NewFaulty(bucket.Memory())
	put := func(dir, name string) root.File {
		body := bucket.Bytes([]byte(dir + name))
		if _, err := b.Put(t.Context(), root.Key(dir, name), body, bucket.Absent()); err != nil {
			t.Fatal(err)
		}
		return root.File{Name: name, Size: body.Size, SHA256: body.Checksum}
	}
	r := &root.Root{ID: "M"}
	for n := range 3 {
		f := put(root.BundlesDir, fmt.Sprintf("bundle-000%d.tar.zst", n))
		f.Lists = []root.File{put(root.BundlesDir, fmt.Sprintf("bundle-000%d-a__b.manifest.jsonl", n))}
		r.Bundles = append(r.Bundles, f)
	}
	r.Segments = []root.File{put(root.DeepDir, "deep-0000.zst")}
	r.Index.Chain = []root.File{put(root.IndexDir, "c.bundle")}
	r.Catalog = &root.Snapshot{File: put(root.CatalogDir, "1.db.zst"), Generation: 1}
	b.Restart()
	return b, r
}

func run(ctx context.Context, cfg Config) (found []string, s *Summary, err error) {
	cfg.Found = func(p Problem) error {
		found = append(found, fmt.Sprintf("%s %s", p.Kind, p.Key))
		if !strings.Contains(p.Err.Error(), p.Key) {
			return fmt.Errorf("%w does not name %s", p.Err, p.Key)
		}
		return nil
	}
	s, err = Run(ctx, cfg)
	return found, s, err
}

func TestRun(t *testing.T) {
	b, r := filled(t)
	found, s, err := run(t.Context(), Config{Bucket: b, Root: r})
	if err != nil || found != nil || s.Objects != 9 || !s.Complete {
		t.Fatalf("%q, %+v, %v", found, s, err)
	}
	if got := b.Requests(); len(got) != 9 {
		t.Errorf("requests: %q", got)
	}
	damaged, missing := "bundles/bundle-0001.tar.zst", "index/c.bundle"
	if _, err := b.Put(t.Context(), damaged, bucket.Bytes([]byte("bundlesbundle-0001.tar.zsx")), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), missing); err != nil {
		t.Fatal(err)
	}
	b.Restart()
	b.At(1, buckettest.Before)
	found, s, err = run(t.Context(), Config{Bucket: b, Root: r})
	want := "[unreadable bundles/bundle-0000-a__b.manifest.jsonl damaged " + damaged + " missing " + missing + "]"
	if got := fmt.Sprint(found); got != want || s.Objects != 6 || err != nil {
		t.Errorf("%s, %+v, %v", got, s, err)
	}
}

// A stopped run resumes after the last object that it finished; a run over another mirror
// begins at the first.
func TestSlices(t *testing.T) {
	b, r := filled(t)
	dir, err := durable.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cursor, err := ReadCursor(dir, "M")
	if err != nil || cursor.After != "" {
		t.Fatal(cursor, err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	n := 0
	s, err := Run(ctx, Config{Bucket: b, Root: r, Done: func(string, int64) error {
		if n++; n == 4 {
			stop(enough)
		}
		return nil
	}})
	if !errors.Is(err, enough) || s.Complete || s.Objects != 4 {
		t.Fatalf("%+v, %v", s, err)
	}
	cursor.After = s.Last
	if err := cursor.Write(dir); err != nil {
		t.Fatal(err)
	}
	if cursor, err = ReadCursor(dir, "M"); err != nil || cursor.After == "" {
		t.Fatal(cursor, err)
	}
	if s, err = Run(t.Context(), Config{Bucket: b, Root: r, After: cursor.After}); err != nil || s.Objects != 5 || !s.Complete {
		t.Errorf("%+v, %v", s, err)
	}
	if other, err := ReadCursor(dir, "N"); err != nil || other.After != "" {
		t.Error(other, err)
	}
}

func TestLeftovers(t *testing.T) {
	b, r := filled(t)
	r.Superseded = []string{"index/old.bundle"}
	for _, key := range []string{"index/old.bundle", "bundles/bundle-0009.tar.zst", "work/job/1", root.Name} {
		if _, err := b.Put(t.Context(), key, bucket.Bytes(nil), bucket.Absent()); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	err := Leftovers(t.Context(), b, r, func(o bucket.Object) error {
		found = append(found, o.Key)
		return nil
	})
	if err != nil || fmt.Sprint(found) != "[bundles/bundle-0009.tar.zst]" {
		t.Error(found, err)
	}
}

// Objects that a writer drops from the root during a run and then deletes are not missing,
// and objects that it pushes are not leftovers.
func TestBesideAWriter(t *testing.T) {
	b := buckettest.NewFaulty(bucket.Memory())
	s, err := root.Acquire(t.Context(), root.Config{Bucket: b})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Release(t.Context()) }()
	push := func(number int) {
		body := bucket.Bytes(fmt.Appendf(nil, "snapshot %d", number))
		name := bundle.FileName(number)
		_, errPut := b.Put(t.Context(), root.Key(root.BundlesDir, name), body, bucket.Absent())
		err := s.Commit(t.Context(), func(r *root.Root) error {
			r.Bundles = []root.File{{Name: name, Size: body.Size, SHA256: body.Checksum}}
			return nil
		})
		if err := errors.Join(errPut, err); err != nil {
			t.Fatal(err)
		}
	}
	push(0)
	old := s.Root()
	push(1)
	if err := b.Remove(t.Context(), root.Key(root.BundlesDir, bundle.FileName(0))); err != nil {
		t.Fatal(err)
	}
	found, _, err := run(t.Context(), Config{Bucket: b, Root: old})
	if found != nil || err != nil {
		t.Errorf("%q, %v", found, err)
	}
	var out strings.Builder
	late := &lateRoot{Bucket: b, first: old}
	if _, err := (Report{Bucket: late, State: t.TempDir()}).Write(t.Context(), &out); err != nil || strings.Contains(out.String(), "leftover") {
		t.Errorf("%s%v", out.String(), err)
	}
}

// lateRoot is a bucket whose root is read before a writer replaces it.
type lateRoot struct {
	bucket.Bucket
	first *root.Root
}

func (l *lateRoot) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	if key != root.Name || l.first == nil {
		return l.Bucket.Get(ctx, key, ask)
	}
	data, err := l.first.Append(nil)
	l.first = nil
	return io.NopCloser(bytes.NewReader(data)), bucket.Object{Key: key, Size: int64(len(data)), Tag: "old"}, err
}
