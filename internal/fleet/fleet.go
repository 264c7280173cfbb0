// Package fleet implements jobs that several machines do on one mirror in a bucket, by
// sharing their tasks among workers (package work), and the census, which proves that all
// shards together hold what the index names.
//
// # Verify
//
// A task is a bundle or a segment that the root names. The worker reads it from beginning
// to end. It hashes each member and compares it with the manifest, rebuilds and hashes each
// version of a segment, and compares the whole file with the root. The result lists the
// problems.
//
// # Repack
//
// A task is some crates of one shard, with the places of their versions in bundles. The
// worker packs them into the segment that the task names, in this order:
//
//  1. Read each version out of its bundle, hash it, and pack it on its own disk.
//  2. Push the segment, unless it is there: then another worker was faster.
//  3. Read it back from the bucket, even if another run pushed it, and rebuild and hash each version.
//  4. Only then the result says what the segment is, and has.
//
// When every task has its result, the coordinator adds all segments to the root, with one
// commit per shard. Bundles stay.
//
// # Memory
//
// Memory does not grow with the registry: the content of the lists is distributed by a hash
// of the crate's name to files on disk ([spool]), which are processed one by one.
package fleet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// Kinds of jobs.
const (
	Verify = "verify"
	Repack = "repack"
)

// Kinds returns all kinds of jobs.
func Kinds() []string { return []string{Verify, Repack} }

// openFile opens a bundle or a segment in the bucket for reading forward. scratch is a folder
// without bundles or segments.
func openFile(ctx context.Context, in bucket.Reader, scratch durable.FS, dir string, f root.File, ahead bool) (durable.File, error) {
	source := overlay.New(in)
	source.ReadAhead = ahead
	r := &root.Root{}
	if dir == root.DeepDir {
		r.Segments = []root.File{f}
	} else {
		r.Bundles = []root.File{f}
	}
	source.Show(r)
	return source.Folder(scratch, dir).Open(f.Name)
}

// maxList bounds a list, in bytes: 3 million lines of this program's.
const maxList = 1 << 30

// A ListError says that a list beside a bundle is not what the root names.
type ListError struct {
	List string
	Err  error
}

func (e *ListError) Error() string { return fmt.Sprintf("%s cannot be used: %v", e.List, e.Err) }

func (e *ListError) Unwrap() error { return e.Err }

// eachMember calls each for every member that the lists of a bundle name. It learns only at
// the end whether these lists are the ones that the root names. Errors: *ListError; those of
// the bucket and of each.
func eachMember(ctx context.Context, in bucket.Reader, f *root.File, each func(*lists.ManifestEntry) error) error {
	name, err := bundle.ParseFileName(f.Name)
	if err != nil {
		return &ListError{f.Name, err}
	}
	if len(f.Lists) == 0 {
		return &ListError{f.Name, errors.New("the root names no list of its contents")}
	}
	left := bundle.MaxMembers
	for i := range f.Lists {
		l := &f.Lists[i]
		body, err := openList(ctx, in, l)
		if err != nil {
			return err
		}
		err = body.members(name, f.Size, &left, each)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
	}
	return nil
}

// listBody reads a list and hashes it.
type listBody struct {
	list *root.File
	hash hash.Hash
	io.Reader
	io.Closer
}

func openList(ctx context.Context, in bucket.Reader, l *root.File) (*listBody, error) {
	if l.Size > maxList {
		return nil, &ListError{l.Name, fmt.Errorf("it has %d bytes, more than %d", l.Size, int64(maxList))}
	}
	body, _, err := in.Get(ctx, root.Key(root.BundlesDir, l.Name), bucket.Ask{})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", l.Name, err)
	}
	b := &listBody{list: l, hash: sha256.New(), Closer: body}
	b.Reader = io.TeeReader(io.LimitReader(store.Until(ctx, body), l.Size+1), b.hash)
	return b, nil
}

func (b *listBody) members(of bundle.Name, size int64, left *int, each func(*lists.ManifestEntry) error) error {
	wrong := func(err error) error { return &ListError{b.list.Name, err} }
	for e, err := range lists.ReadManifest(b) {
		switch {
		case err != nil:
			return wrong(err)
		case e.Bundle != of:
			return wrong(fmt.Errorf("it says that %s is in %s", e.ID, e.Bundle))
		case e.FrameSize <= 0 || e.Offset > math.MaxInt64-e.FrameSize || e.Offset+e.FrameSize > size:
			return wrong(fmt.Errorf("it says that %s is at offset %d with %d bytes; the bundle has %d", e.ID, e.Offset, e.FrameSize, size))
		}
		if *left--; *left < 0 {
			return wrong(bundle.ErrTooMany)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	var got crate.Checksum
	if b.hash.Sum(got[:0]); got != b.list.SHA256 {
		return wrong(fmt.Errorf("its sha256 is %s, the root says %s", got, b.list.SHA256))
	}
	return nil
}

// eachPacked calls each for every version that the directories of a segment name. It reads
// from the bucket once per pack.
func eachPacked(ctx context.Context, in bucket.Reader, scratch durable.FS, f *root.File, each func(v *deep.Version) error) error {
	file, err := openFile(ctx, in, scratch, root.DeepDir, *f, true)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := deep.Open(f.Name, file, f.Size)
	if err != nil {
		return err
	}
	for d, err := range r.Directories() {
		if err != nil {
			return fmt.Errorf("reading the contents of %s: %w", f.Name, err)
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for n := range d.Versions {
			if err := each(&d.Versions[n]); err != nil {
				return err
			}
		}
	}
	return nil
}
