package overlay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/storetest"
)

// unaware is an empty catalog.
type unaware struct{}

func (unaware) Bundles() map[string]bool                             { return nil }
func (unaware) Adopt(context.Context, string, []bundle.Member) error { return nil }
func (unaware) Adopted(context.Context, store.Bundle) error          { return nil }

func openStore(t *testing.T, fsys, folder durable.FS) *bundled.Store {
	t.Helper()
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		t.Fatal(err)
	}
	s, err := bundled.Open(t.Context(), bundled.Config{Folder: folder, Loose: l, Catalog: unaware{}, Target: 1 << 30,
		URL: func(crate.ID, crate.Checksum) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A folder with a bucket behind it is one in which a store writes as in any other.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, fsys durable.FS) storetest.Store {
		return openStore(t, fsys, overlay.New(bucket.Memory()).Folder(fsys, root.BundlesDir))
	})
}

// stored are crates of all sizes.
func stored(t *testing.T) (all []storetest.Stored) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	for n, size := range []int{0, 1, 5000, 3 << 20, 18 << 20} {
		data := make([]byte, size)
		_, _ = random.Read(data)
		all = append(all, storetest.Stored{Key: crate.Key{ID: crate.ID{Name: fmt.Sprintf("crate-%d", n), Version: "1.0.0"}, Checksum: sha256.Sum256(data)}, Data: data})
	}
	return all
}

// remote is a bucket with one bundle of crates, which is nowhere else.
func remote(t *testing.T) (*buckettest.Faulty, *root.Root, map[store.Placement]storetest.Stored) {
	t.Helper()
	fsys := durabletest.NewMem()
	s := openStore(t, fsys, fsys)
	places := map[store.Placement]storetest.Stored{}
	for _, c := range stored(t) {
		at, err := s.Put(t.Context(), c.ID, store.Body{Data: c.Data, Size: int64(len(c.Data))})
		if err != nil {
			t.Fatal(err)
		}
		places[at] = c
	}
	if _, err := s.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := bucket.Memory()
	f := upload(t, b, fsys, root.BundlesDir, bundle.FileName(0))
	return buckettest.NewFaulty(b), &root.Root{Bundles: []root.File{f}}, places
}

// upload puts a file into the bucket and takes it from the disk.
func upload(t *testing.T, b bucket.Bucket, fsys durable.FS, dir, name string) root.File {
	t.Helper()
	data, err := durable.ReadFile(fsys, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), root.Key(dir, name), bucket.Bytes(data), bucket.Absent()); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Remove(name); err != nil {
		t.Fatal(err)
	}
	return root.File{Name: name, Size: int64(len(data)), SHA256: sha256.Sum256(data)}
}

func over(t *testing.T, b bucket.Reader, r *root.Root, ahead bool) (*bundled.ReadOnly, durable.FS) {
	t.Helper()
	source := overlay.New(b)
	source.ReadAhead = ahead
	source.Show(r)
	fsys := durabletest.NewMem()
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		t.Fatal(err)
	}
	folder := source.Folder(fsys, root.BundlesDir)
	return bundled.OpenReadOnly(folder, l), folder
}

// A crate costs one request, whatever its size up to 16 MiB, and nothing is asked of
// the bucket for a listing or before the first crate.
func TestOneRequestACrate(t *testing.T) {
	b, r, places := remote(t)
	s, _ := over(t, b, r, false)
	storetest.Reader(t, s, places)
	b.Restart()
	if l := storetest.Listing(t, s); len(b.Requests()) != 0 || l == nil {
		t.Errorf("a listing asks for %v", b.Requests())
	}
	for at, c := range places {
		b.Restart()
		content, err := s.Open(t.Context(), c.Key, at)
		if err != nil {
			t.Fatal(err)
		}
		if sum, _, err := crate.Hash(content); sum != c.Checksum || err != nil {
			t.Errorf("%s: %s, %v", c.ID, sum, err)
		}
		if n := len(b.Requests()); n != 1 && len(c.Data) < 16<<20 || n > 6 {
			t.Errorf("%d bytes of %s took %v", len(c.Data), c.ID, b.Requests())
		}
		first, _ := content.Identity()
		again, err := s.Open(t.Context(), c.Key, at)
		if err != nil {
			t.Fatal(err)
		}
		if second, _ := again.Identity(); first != second || first == (store.Identity{}) {
			t.Errorf("%s is %+v, then %+v", c.ID, first, second)
		}
		if err := errors.Join(content.Close(), again.Close()); err != nil {
			t.Error(err)
		}
	}
}

// Who reads a bundle from front to end, or its crates in their order, asks for large
// ranges.
func TestReadAhead(t *testing.T) {
	b, r, _ := remote(t)
	_, folder := over(t, b, r, true)
	f, err := folder.Open(bundle.FileName(0))
	if err != nil {
		t.Fatal(err)
	}
	sum, size, err := crate.Hash(f)
	if err != nil || sum != r.Bundles[0].SHA256 {
		t.Errorf("%s of %d bytes, %v", sum, size, err)
	}
	most := int(size>>24) + 2
	if n := len(b.Requests()); n > most {
		t.Errorf("%d requests for %d bytes", n, size)
	}
	b.Restart()
	reader, err := bundle.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	members := 0
	for _, err := range reader.Members() {
		if err != nil {
			t.Fatal(err)
		}
		members++
	}
	if n := len(b.Requests()); members != 5 || n > most+8 { // the seek table and what is between
		t.Errorf("%d members by %d requests", members, n)
	}
}

func isRemote(info fs.FileInfo) bool { return durable.IsUnchanging(fs.FileInfoToDirEntry(info)) }

// What is on the disk comes before what is in the bucket, and what the root does not
// name is not there.
func TestLocalFirst(t *testing.T) {
	b, r, _ := remote(t)
	source := overlay.New(b)
	fsys := durabletest.NewMem()
	folder := source.Folder(fsys, root.BundlesDir)
	name := bundle.FileName(0)
	if _, err := folder.Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	source.Show(r)
	if entries, err := folder.ReadDir("."); err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Error(entries, err)
	}
	info, err := folder.Stat(name)
	if err != nil || !isRemote(info) || info.Size() != r.Bundles[0].Size || !durable.SameFile(info, info) {
		t.Error(info, err)
	}
	if err := durable.WriteNew(fsys, name, []byte("on the disk")); err != nil {
		t.Fatal(err)
	}
	if data, err := durable.ReadFile(folder, name, 1<<20); string(data) != "on the disk" || err != nil {
		t.Errorf("%.20q, %v", data, err)
	}
	if local, err := folder.Stat(name); err != nil || isRemote(local) || durable.SameFile(local, info) {
		t.Error(local, err)
	}
	if entries, err := folder.ReadDir("."); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
}

// An object that is not the one that the root names, is cut, gone or replaced while it
// is read, is an error that names it, and never other bytes.
func TestNotWhatTheRootNames(t *testing.T) {
	b, r, places := remote(t)
	key := root.Key(root.BundlesDir, bundle.FileName(0))
	open := func(s *bundled.ReadOnly) error {
		for at, c := range places {
			if len(c.Data) != 5000 {
				continue
			}
			content, err := s.Open(t.Context(), c.Key, at)
			if err != nil {
				return err
			}
			if data, err := io.ReadAll(content); err == nil && !bytes.Equal(data, c.Data) {
				t.Error("other bytes")
			}
			return content.Close()
		}
		return nil
	}
	s, _ := over(t, b, r, false)
	if err := open(s); err != nil {
		t.Fatal(err)
	}
	b.At(1, buckettest.Truncated)
	if err := open(s); err == nil || !strings.Contains(err.Error(), key) {
		t.Error("cut:", err)
	}
	if _, err := b.Put(t.Context(), key, bucket.Bytes(make([]byte, r.Bundles[0].Size)), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	if err := open(s); !errors.Is(err, bucket.ErrChanged) {
		t.Error("replaced:", err)
	}
	if _, err := b.Put(t.Context(), key, bucket.Bytes([]byte("short")), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	fresh, _ := over(t, b, r, false)
	if err := open(fresh); err == nil {
		t.Error("another size is taken")
	}
	if err := b.Remove(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	fresh, _ = over(t, b, r, false)
	if err := open(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Error("gone:", err)
	}
}

// A pack of a segment costs one request, too.
func TestOneRequestAPack(t *testing.T) {
	fsys := durabletest.NewMem()
	w, err := deep.Create(fsys, deep.FileName(0))
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("no gzip "), 9000)
	key := crate.Key{ID: crate.ID{Name: "foo", Version: "1.0.0"}, Checksum: sha256.Sum256(data)}
	pack, err := deep.Build(t.Context(), []deep.Source{{Key: key, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}}, deep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	place, err := w.Append(pack)
	if err == nil {
		_, err = w.Finish()
	}
	if err = errors.Join(err, w.Publish()); err != nil {
		t.Fatal(err)
	}
	b := buckettest.NewFaulty(bucket.Memory())
	source := overlay.New(b)
	source.Show(&root.Root{Segments: []root.File{upload(t, b, fsys, root.DeepDir, deep.FileName(0))}})
	b.Restart()
	l, err := loose.Open(fsys, loose.Batch)
	if err != nil {
		t.Fatal(err)
	}
	s := packed.New(packed.Config{Folder: source.Folder(fsys, root.DeepDir), Behind: l})
	at := store.Placement{Deep: store.DeepPlace{Segment: deep.FileName(0), Pack: place.Offset, PackSize: place.Size}}
	storetest.Reader(t, s, map[store.Placement]storetest.Stored{at: {Key: key, Data: data}})
	b.Restart()
	if sum, _, err := store.Hash(t.Context(), s, key, at, io.Discard); sum != key.Checksum || err != nil || len(b.Requests()) != 1 {
		t.Errorf("%s, %v, by %v", sum, err, b.Requests())
	}
}
