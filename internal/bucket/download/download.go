// Package download brings objects out of a bucket into files: in ranges, so that one
// that was cut off at any byte is gone on with, and hashed, so that nothing gets its
// name that is not what somebody has promised. Who keeps the bucket is not trusted: of
// bytes no more are taken than were promised, and wrong ones are told from lost ones.
package download

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Ext ends the name of a file that is on its way. No store takes it for one of its own.
const Ext = ".incoming"

// tries is how often a download that brings no byte is begun again. Buckets try again
// what may pass; this is for bodies that end early.
const tries = 3

// A WrongError says that an object is not what was promised.
type WrongError struct {
	Key    string
	Bucket string
	What   string
}

func (e *WrongError) Error() string {
	return fmt.Sprintf("%s of %s is not what its root names: %s", e.Key, e.Bucket, e.What)
}

// Want is what an object must be.
type Want struct {
	Size     int64 // bytes
	Checksum crate.Checksum
	// Check looks at the file before it gets its name. What it finds is the error of
	// File, after which nothing is left. If nil, the checksum is enough.
	Check func(file durable.File) error
}

// A refusal is what Check has found.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// File brings an object into a file, which gets its name when it is whole, hashed and
// durable; until then it is called name + Ext. If that is there, what it has is kept.
// Errors: fs.ErrNotExist, bucket.ErrChanged; *WrongError, after which nothing is left;
// fs.ErrExist if another file has got the name meanwhile; others, after which another
// call goes on.
func File(ctx context.Context, from bucket.Reader, key string, want Want, to durable.FS, name string) error {
	d := &download{from: from, key: key, want: want}
	err := d.run(ctx, to, name)
	if errors.As(err, new(*WrongError)) || errors.As(err, new(refusal)) {
		err = errors.Join(err, to.Remove(name+Ext))
	}
	if err != nil {
		return fmt.Errorf("downloading %s: %w", name, err)
	}
	return nil
}

type download struct {
	from bucket.Reader
	key  string
	want Want

	file durable.File
	hash hash.Hash
	at   int64
	tag  bucket.Tag // of what was read first
}

func (d *download) run(ctx context.Context, to durable.FS, name string) (err error) {
	if d.file, err = to.Append(name + Ext); err != nil {
		return err
	}
	err = d.fill(ctx)
	if err == nil && d.want.Check != nil {
		if err = d.want.Check(d.file); err != nil && ctx.Err() == nil {
			err = refusal{err}
		}
	}
	if err == nil {
		err = d.file.Sync()
	}
	if err = errors.Join(err, d.file.Close()); err != nil {
		return err
	}
	if err := to.Publish(name+Ext, name); err != nil {
		return err
	}
	return to.SyncDir(path.Dir(name))
}

// fill makes the file what it should be. What an earlier call has left may be torn by
// a power cut: it is given up once, before the bucket is blamed.
func (d *download) fill(ctx context.Context) error {
	if err := d.resume(ctx); err != nil {
		return err
	}
	resumed := d.at > 0
	err := d.rest(ctx)
	if err == nil {
		err = d.check()
	}
	if resumed && errors.As(err, new(*WrongError)) {
		if err = d.restart(); err == nil {
			err = d.rest(ctx)
		}
		if err == nil {
			err = d.check()
		}
	}
	return err
}

// resume hashes what is there.
func (d *download) resume(ctx context.Context) (err error) {
	d.hash = sha256.New()
	if _, err = d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if d.at, err = io.Copy(d.hash, until{ctx, d.file}); err == nil && d.at > d.want.Size {
		err = d.restart()
	}
	return err
}

func (d *download) restart() error {
	d.hash, d.at, d.tag = sha256.New(), 0, ""
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return err
}

// rest brings what is missing.
func (d *download) rest(ctx context.Context) error {
	for failed := 0; d.at < d.want.Size; {
		n, err := d.part(ctx)
		d.at += n
		switch {
		case err == nil:
		case n > 0 && errors.Is(err, io.ErrUnexpectedEOF):
			failed = 0
		case errors.Is(err, io.ErrUnexpectedEOF) && failed < tries:
			failed++
		default:
			return err
		}
	}
	return nil
}

// part brings what one answer has.
func (d *download) part(ctx context.Context) (n int64, err error) {
	body, o, err := d.from.Get(ctx, d.key, bucket.Ask{Offset: d.at, Same: d.tag})
	if errors.Is(err, bucket.ErrRange) {
		return 0, d.wrong("it ends at byte %d or before, want %d", d.at, d.want.Size)
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if o.Size != d.want.Size {
		return 0, d.wrong("it has %d bytes, want %d", o.Size, d.want.Size)
	}
	d.tag = o.Tag
	n, err = io.Copy(io.MultiWriter(d.file, d.hash), until{ctx, io.LimitReader(body, d.want.Size-d.at)})
	if err == nil && n < d.want.Size-d.at {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (d *download) check() error {
	if got := crate.Checksum(d.hash.Sum(nil)); got != d.want.Checksum {
		return d.wrong("its sha256 is %s, want %s", got, d.want.Checksum)
	}
	return nil
}

func (d *download) wrong(format string, args ...any) error {
	return &WrongError{d.key, d.from.String(), fmt.Sprintf(format, args...)}
}

// until is a reader that ends with a context.
type until struct {
	ctx context.Context // of one copy
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// Sweep removes files that are on their way in a folder of a file system, but for
// those of these names.
func Sweep(fsys durable.FS, dir string, keep map[string]bool) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); path.Ext(name) == Ext && !keep[name[:len(name)-len(Ext)]] {
			if err := fsys.Remove(path.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
