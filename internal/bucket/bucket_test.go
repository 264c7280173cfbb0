package bucket_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
)

func TestMemory(t *testing.T) {
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return bucket.Memory() })
}

func TestFolder(t *testing.T) {
	buckettest.Run(t, func(t *testing.T) bucket.Bucket { return folder(t, t.TempDir()) })
}

func folder(t *testing.T, dir string) bucket.Bucket {
	t.Helper()
	b, err := bucket.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFolderMustExist checks that a missing mount is not taken for an empty bucket.
func TestFolderMustExist(t *testing.T) {
	_, err := bucket.Folder(filepath.Join(t.TempDir(), "mnt"))
	if err == nil || !strings.Contains(err.Error(), "make the folder, or mount it") {
		t.Errorf("Folder = %v", err)
	}
}

// TestFolderKeepsItsOwn checks that a folder's private files, and those of killed processes,
// are not objects.
func TestFolderKeepsItsOwn(t *testing.T) {
	dir := t.TempDir()
	b := folder(t, dir)
	if _, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("1")), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	left := ".tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if err := os.WriteFile(filepath.Join(dir, left), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	for o, err := range b.List(t.Context(), "") {
		if err != nil || o.Key != "k" {
			t.Errorf("listed: %+v, %v", o, err)
		}
	}
	for _, key := range []string{left, ".bucket/lock", "d/" + left} {
		if _, err := b.Head(t.Context(), key); err == nil || !strings.Contains(err.Error(), "needs for itself") {
			t.Errorf("Head(%s) = %v", key, err)
		}
	}
}

// TestFolderTagOfALargeFile checks that Get describes a file of more than a megabyte without
// hashing it, and that its tag still changes when the file is replaced.
func TestFolderTagOfALargeFile(t *testing.T) {
	b := folder(t, t.TempDir())
	data := make([]byte, 2<<20)
	first, err := b.Put(t.Context(), "k", bucket.Bytes(data), bucket.Absent())
	if err != nil {
		t.Fatal(err)
	}
	data[1] = 1
	second, err := b.Put(t.Context(), "k", bucket.Bytes(data), bucket.Unchanged(first))
	if err != nil || second == first {
		t.Errorf("replaced: %s after %s, %v", second, first, err)
	}
	if o, err := b.Head(t.Context(), "k"); err != nil || o.Tag != second {
		t.Errorf("Head = %+v, %v", o, err)
	}
}
