package durable

import (
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
)

// Unchanging is what the Sys of an [fs.FileInfo] is if the file can never change: its
// SHA-256. Such a file is on no disk of ours.
type Unchanging [sha256.Size]byte

// SameFile reports whether two descriptions are of one file.
func SameFile(a, b fs.FileInfo) bool {
	sum, ok := a.Sys().(Unchanging)
	return ok && b.Sys() == sum || os.SameFile(a, b)
}

// IsUnchanging reports whether an entry of a folder is such a file.
func IsUnchanging(e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	_, is := info.Sys().(Unchanging)
	return is
}

// Ranged is a File whose reads cost a request each, as of an object in a bucket.
type Ranged interface {
	File
	// Range returns a reader of the size bytes from offset on, by their offsets in the
	// file, which were asked for by one request unless they are too many for the memory.
	// ctx is for what is read of it, too.
	Range(ctx context.Context, offset, size int64) (io.ReaderAt, error)
}
