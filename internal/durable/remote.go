package durable

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
)

// Unchanging is the Sys of an [fs.FileInfo] of a file that can never change: its SHA-256.
// Such a file is not on a local disk.
type Unchanging [sha256.Size]byte

// SameFile reports whether two descriptions are of the same file.
func SameFile(a, b fs.FileInfo) bool {
	sum, ok := a.Sys().(Unchanging)
	return ok && b.Sys() == sum || os.SameFile(a, b)
}

// IsUnchanging reports whether an entry of a folder is a file that can never change.
func IsUnchanging(e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	_, is := info.Sys().(Unchanging)
	return is
}

// Ranged is a File in which each read costs a request, like an object in a bucket.
type Ranged interface {
	File
	// Range returns a reader of the size bytes from offset on, addressed by their offsets
	// in the file. It fetches them with one request unless they are too many for memory.
	// ctx also applies to later reads.
	Range(ctx context.Context, offset, size int64) (io.ReaderAt, error)
}
