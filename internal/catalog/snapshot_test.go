package catalog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A snapshot made while the catalog was open is, on another machine, a catalog with the
// same rows, which a Follower finds.
func TestSnapshot(t *testing.T) {
	c, path := tempCatalog(t)
	a, b := version("a", "1.0.0", 1), in(version("b", "1.0.0", 2), "bundle-0001.tar.zst", 7)
	mustCommit(t, c, Batch{Versions: []Version{a, b}, Crates: []Crate{{Path: "1/a", Blob: "x"}}})
	data := snapshotOf(t, c, path)
	there := filepath.Join(t.TempDir(), "catalog.db")
	f, err := Follow(t.Context(), there)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := install(t, there, data); err != nil {
		t.Fatal(err)
	}
	if changed, err := f.Refresh(t.Context()); !changed || err != nil {
		t.Errorf("Refresh = %t, %v", changed, err)
	}
	if err := f.Read(t.Context(), func(c *Catalog) error { wantVersion(t, c, a); wantVersion(t, c, b); return nil }); err != nil {
		t.Error(err)
	}
	if err := install(t, there, data); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a catalog that is there: %v", err)
	}
	again, err := Open(there)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	mustCommit(t, again, Batch{Versions: []Version{version("c", "1.0.0", 3)}})
}

// A file that is not a snapshot of a catalog, or not the expected one, changes nothing.
func TestHostileSnapshot(t *testing.T) {
	c, path := tempCatalog(t)
	mustCommit(t, c, Batch{Versions: []Version{version("a", "1.0.0", 1)}})
	good := snapshotOf(t, c, path)
	with := func(statement string) []byte {
		copied := filepath.Join(t.TempDir(), "catalog.db")
		if err := install(t, copied, good); err != nil {
			t.Fatal(err)
		}
		c, err := Open(copied)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		return snapshotOf(t, c, copied)
	}
	db := decompressed(t, good)
	torn := bytes.Clone(db)
	for i := len(torn) / 2; i < len(torn); i++ {
		torn[i] ^= 0x55
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, tt := range map[string]struct {
		data []byte
		size int64
		sum  crate.Checksum
		want string
	}{
		"other checksum":   {good, int64(len(good)), crate.Checksum{1}, "sha256 of"},
		"flipped":          {flipped, int64(len(good)), sha256.Sum256(good), ""},
		"longer":           {append(bytes.Clone(good), 0), int64(len(good)), sha256.Sum256(good), ""},
		"shorter":          {good[:len(good)-9], int64(len(good)), sha256.Sum256(good), ""},
		"no zstd":          {db, int64(len(db)), sha256.Sum256(db), ""},
		"no database":      compressed(t, []byte(strings.Repeat("no database", 1000)), "not a database"),
		"damaged":          compressed(t, torn, ""),
		"a trigger":        whole(with("CREATE TRIGGER evil AFTER INSERT ON versions BEGIN DELETE FROM versions; END"), "trigger evil"),
		"a view":           whole(with("CREATE VIEW more AS SELECT 1"), "view more"),
		"another table":    whole(with("CREATE TABLE more (x)"), "table more"),
		"older":            whole(with("PRAGMA user_version = 7"), "it has format 7"),
		"newer":            whole(with("PRAGMA user_version = 9"), "it has format 9"),
		"a window of 1 GB": whole(hugeWindow(t), "window"),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalog.db")
			err := Install(t.Context(), path, bytes.NewReader(tt.data), tt.size, tt.sum)
			if !errors.As(err, new(*SnapshotError)) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
				t.Errorf("files are left: %v", left)
			}
		})
	}
}

type hostile = struct {
	data []byte
	size int64
	sum  crate.Checksum
	want string
}

// whole returns a snapshot with the correct size and checksum.
func whole(data []byte, want string) hostile {
	return hostile{data, int64(len(data)), sha256.Sum256(data), want}
}

func compressed(t *testing.T, db []byte, want string) hostile {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return whole(z.EncodeAll(db, nil), want)
}

// hugeWindow returns a frame that requests more memory than any of ours.
func hugeWindow(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(zstd.MaxWindowSize), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decompressed(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	db, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func snapshotOf(t *testing.T, c *Catalog, path string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Snapshot(t.Context(), path+".snapshot", &b); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".snapshot"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is left: %v", err)
	}
	return b.Bytes()
}

func install(t *testing.T, path string, data []byte) error {
	t.Helper()
	return Install(t.Context(), path, bytes.NewReader(data), int64(len(data)), sha256.Sum256(data))
}

// Keep keeps what is in the named bundles and segments, and the names of crates that still
// have versions.
func TestKeep(t *testing.T) {
	c, _ := tempCatalog(t)
	loose, kept, moved, gone, deep := version("loose", "1.0.0", 1), in(version("kept", "1.0.0", 2), "bundle-0001.tar.zst", 7),
		in(version("moved", "1.0.0", 3), "bundle-0002.tar.zst", 7), in(version("gone", "1.0.0", 4), "bundle-0002.tar.zst", 9), inDeep(version("deep", "1.0.0", 5), "deep-0001.zst", 1)
	kept.Loose = true
	moved = inDeep(moved, "deep-0001.zst", 2)
	mustCommit(t, c, Batch{
		Versions: []Version{loose, kept, moved, gone, deep}, Crates: []Crate{{Path: "go/ne/gone", Blob: "x"}, {Path: "ke/pt/kept", Blob: "y"}},
		Bundles: []Bundle{{Name: "bundle-0001.tar.zst", Whole: true, Entries: 1}, {Name: "bundle-0002.tar.zst", Whole: true, Entries: 2}},
	})
	if lost, err := c.Keep(t.Context(), []string{"bundle-0001.tar.zst", "bundle-0003.tar.zst"}, []string{"deep-0001.zst"}); err != nil || lost != 2 {
		t.Fatalf("%d lost, %v", lost, err)
	}
	kept.Placement = kept.InBundle()
	moved.Placement, deep.Placement = moved.InDeep(), deep.InDeep()
	for _, v := range []Version{kept, moved, deep} {
		wantVersion(t, c, v)
	}
	held, err := c.Held(t.Context())
	if err != nil || len(held) != 3 {
		t.Errorf("held %v, %v", held, err)
	}
	names, _, _, err := c.Names(t.Context(), NamesMark{})
	if diff := cmp.Diff([]string{"deep", "kept", "moved"}, names); diff != "" || err != nil {
		t.Errorf("names, %v (-want +got):\n%s", err, diff)
	}
	bundles, err := c.Bundles(t.Context())
	if err != nil || len(bundles) != 1 || bundles[0].Name != kept.Bundle || !bundles[0].Whole {
		t.Errorf("bundles %v, %v", bundles, err)
	}
	var paths []string
	for h, err := range c.Holdings(t.Context(), false) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, h.Path)
	}
	if len(paths) != 3 {
		t.Errorf("crates %v", paths)
	}
}
