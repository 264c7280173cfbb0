package attest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// leaves holds the leaves to append, on disk: the first time they are all of crates.io.
// They are never synced, since after a crash the next run counts again.
type leaves struct {
	fsys  durable.FS
	file  durable.File
	buf   *bufio.Writer
	count int64
}

// leavesName is the name of the file, in the folder of the log.
const leavesName = "leaves.tmp"

// newLeaves creates the file, and replaces one that a killed run has left.
func newLeaves(fsys durable.FS) (*leaves, error) {
	if err := fsys.Remove(leavesName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.Create(leavesName)
	if err != nil {
		return nil, err
	}
	return &leaves{fsys: fsys, file: f, buf: bufio.NewWriterSize(f, 1<<16)}, nil
}

func (l *leaves) add(key crate.Key) error {
	l.count++
	_, err := l.buf.WriteString(statement.Line(key))
	return err
}

// read yields the leaves in the order in which they were added.
func (l *leaves) read(ctx context.Context) iter.Seq2[crate.Key, error] {
	return func(yield func(crate.Key, error) bool) {
		err := l.buf.Flush()
		if err == nil {
			_, err = l.file.Seek(0, io.SeekStart)
		}
		r := bufio.NewReaderSize(l.file, 1<<16)
		for n := int64(0); n < l.count && err == nil; n++ {
			var line string
			var key crate.Key
			if line, err = r.ReadString('\n'); err == nil {
				key, err = statement.ParseLine(line)
			}
			if err = cmp.Or(err, ctx.Err()); err == nil && !yield(key, nil) {
				return
			}
		}
		if err != nil {
			yield(crate.Key{}, fmt.Errorf("reading leaves that are to be appended: %w", err))
		}
	}
}

// close removes the file.
func (l *leaves) close() {
	_ = l.file.Close()
	_ = l.fsys.Remove(leavesName) // if it fails, the next run removes it
}

// recordBatch is how many leaves the catalog records in one transaction.
const recordBatch = 1 << 14

// record adds all leaves of the log to the catalog. l may be nil.
func record(ctx context.Context, cat *catalog.Catalog, l *tilelog.Log) error {
	known, err := cat.Logged(ctx)
	if err != nil {
		return err
	}
	if known.Size > 0 {
		same, err := isPrefix(known, l)
		if err != nil {
			return err
		}
		if !same {
			if err := cat.ForgetLeaves(ctx); err != nil {
				return err
			}
			known = catalog.Logged{}
		}
	}
	for l != nil && known.Size < l.N {
		to := min(l.N, known.Size+recordBatch)
		if known, err = recordSome(ctx, cat, l, known.Size, to); err != nil {
			return err
		}
	}
	return nil
}

// isPrefix reports whether the log begins with the leaves that the catalog has recorded.
func isPrefix(known catalog.Logged, l *tilelog.Log) (bool, error) {
	if l == nil || known.Size > l.N {
		return false, nil
	}
	root, err := tlog.TreeHash(known.Size, l.Hashes())
	return root == known.Root, err
}

func recordSome(ctx context.Context, cat *catalog.Catalog, l *tilelog.Log, from, to int64) (catalog.Logged, error) {
	keys := make([]crate.Key, 0, to-from)
	for key, err := range l.Leaves(ctx, from, to) {
		if err != nil {
			return catalog.Logged{}, err
		}
		keys = append(keys, key)
	}
	root, err := tlog.TreeHash(to, l.Hashes())
	known := catalog.Logged{Size: to, Root: root}
	if err == nil {
		err = cat.RecordLeaves(ctx, keys, known)
	}
	return known, err
}
