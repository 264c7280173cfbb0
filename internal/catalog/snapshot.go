package catalog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A snapshot is a copy of a catalog, compressed with zstd, with which another machine can
// start. 1.7 million versions take some 200 MB, half of it when compressed.
const (
	// maxSnapshot bounds the size of a decompressed snapshot, in bytes.
	maxSnapshot = 16 << 30
	// maxSnapshotWindow bounds the memory for decompressing, in bytes.
	maxSnapshotWindow = 8 << 20
)

// Snapshot writes a snapshot of the current catalog to w; others may write the catalog
// meanwhile. It first makes the copy in a file at temp, which it removes.
func (c *Catalog) Snapshot(ctx context.Context, temp string, w io.Writer) error {
	if err := c.snapshot(ctx, temp, w); err != nil {
		return fmt.Errorf("making a snapshot of the catalog: %w", classify(err))
	}
	return nil
}

func (c *Catalog) snapshot(ctx context.Context, temp string, w io.Writer) (err error) {
	if err := removeIfThere(temp); err != nil { // of a killed run
		return err
	}
	defer func() { err = errors.Join(err, removeIfThere(temp)) }()
	if _, err := c.db.ExecContext(ctx, "VACUUM INTO ?", temp); err != nil {
		return err
	}
	f, err := os.Open(temp)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxSnapshotWindow/2))
	if err != nil {
		return err
	}
	_, err = io.Copy(z, f)
	return errors.Join(err, z.Close())
}

// A SnapshotError says that a snapshot is unusable. Nothing was changed; the lists of the
// bundles contain what it would have saved.
type SnapshotError struct{ Err error }

func (e *SnapshotError) Error() string {
	return "the snapshot of the catalog cannot be used: " + e.Err.Error()
}

func (e *SnapshotError) Unwrap() error { return e.Err }

// Install installs a snapshot as the catalog at path, where there must be none. It reads
// size compressed bytes, which must have the checksum. It checks the snapshot only against
// harm: its format, its tables, and whether SQLite finds damage. The caller must check
// whether the rows are true. Errors: *SnapshotError; fs.ErrExist.
func Install(ctx context.Context, path string, from io.Reader, size int64, sum crate.Checksum) (err error) {
	for _, there := range []string{path, path + "-wal"} { // another catalog's log would be replayed
		if _, err := os.Stat(there); err == nil {
			return &fs.PathError{Op: "install", Path: there, Err: fs.ErrExist}
		}
	}
	temp := path + ".incoming"
	defer func() { err = errors.Join(err, removeIfThere(temp)) }()
	if err := receive(temp, io.LimitReader(from, size+1), size, sum); err != nil {
		return err
	}
	if err := checkSnapshot(ctx, temp); err != nil {
		return &SnapshotError{err}
	}
	folder, err := durable.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = folder.Publish(filepath.Base(temp), filepath.Base(path))
	if err == nil {
		err = folder.SyncDir(".")
	}
	return errors.Join(err, folder.Close())
}

// receive decompresses a snapshot into a file, and syncs it.
func receive(temp string, from io.Reader, size int64, sum crate.Checksum) error {
	if err := removeIfThere(temp); err != nil {
		return err
	}
	folder, err := durable.Open(filepath.Dir(temp))
	if err != nil {
		return err
	}
	defer folder.Close()
	f, err := folder.Create(filepath.Base(temp))
	if err != nil {
		return err
	}
	err = decompress(f, from, size, sum)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func decompress(to io.Writer, from io.Reader, size int64, sum crate.Checksum) error {
	h := sha256.New()
	counted := &counter{Reader: io.TeeReader(from, h)}
	z, err := zstd.NewReader(counted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxSnapshotWindow))
	if err != nil {
		return err
	}
	defer z.Close()
	n, err := io.Copy(&writeErrors{Writer: to}, io.LimitReader(z, maxSnapshot+1))
	if disk := (*diskError)(nil); errors.As(err, &disk) {
		return disk.Err
	}
	if err == nil && n > maxSnapshot {
		err = fmt.Errorf("it has more than %d bytes", int64(maxSnapshot))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, counted)
	}
	if got := crate.Checksum(h.Sum(nil)); err == nil && (counted.n != size || got != sum) {
		err = fmt.Errorf("sha256 of %d bytes is %s, want %s of %d", counted.n, got, sum, size)
	}
	if err != nil {
		return &SnapshotError{err}
	}
	return nil
}

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// writeErrors marks errors of the disk, to tell them from those of the snapshot.
type writeErrors struct{ io.Writer }

type diskError struct{ Err error }

func (e *diskError) Error() string { return e.Err.Error() }

func (w *writeErrors) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = &diskError{err}
	}
	return n, err
}

// checkSnapshot rejects a file that is not a catalog of this program's format, or that
// contains more than the tables of such a catalog: the first writer would run a trigger.
func checkSnapshot(ctx context.Context, path string) error {
	c, err := open(path, "ro", "&immutable=1&_pragma=trusted_schema(OFF)&_pragma=cell_size_check(ON)")
	if err != nil {
		return err
	}
	defer c.Close()
	if have := c.format.Load(); have != format {
		return fmt.Errorf("it has format %d, this program's is %d", have, format)
	}
	var foreign string
	err = c.db.QueryRowContext(ctx, `SELECT coalesce(group_concat(type || ' ' || name, ', '), '') FROM sqlite_schema WHERE NOT (
		type = 'table' AND name IN ('versions', 'removed', 'accepted', 'crates', 'gone', 'missing', 'bundles', 'segments', 'taken', 'source', 'logged', 'names', 'sqlite_sequence')
		OR type = 'index' AND (name IN ('unlisted_twice', 'superseded') OR name LIKE 'sqlite_autoindex_%'))`).Scan(&foreign)
	if err != nil {
		return classify(err)
	}
	if foreign != "" {
		return fmt.Errorf("there is something in it that no catalog has: %.200s", foreign)
	}
	var verdict string
	if err := c.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return classify(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %.200s", ErrDamaged, verdict)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
