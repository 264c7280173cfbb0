// Package download copies objects from a bucket into files. It reads ranges, so that a
// download resumes after an interruption at any byte, and hashes, so that a file gets its
// name only if it has the expected checksum. It does not trust the provider: it reads no
// more bytes than expected, and tells wrong bytes from missing ones.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Ext is the suffix of unfinished downloads. No store takes such a file for one of its own.
const Ext = ".incoming"

// tries is how often a download that receives no bytes is started. Buckets retry transient
// errors themselves; this is for bodies that end early.
const tries = 3

// A WrongError says that an object does not have the expected size or checksum, or that its
// check failed.
type WrongError struct {
	Key    string
	Bucket string
	What   string
}

func (e *WrongError) Error() string {
	return fmt.Sprintf("%s of %s is not what its root names: %s", e.Key, e.Bucket, e.What)
}

// Want describes the expected object.
type Want struct {
	Size     int64 // in bytes
	Checksum crate.Checksum
	// Check reads the file while its bytes arrive, in a separate goroutine: ReadAt waits
	// for them. File returns its error and removes the file, unless it is an
	// [*UndecidedError]. Check is called again if a resumed file turns out to be torn. If
	// nil, the checksum is enough.
	Check func(file io.ReaderAt) error
}

// An UndecidedError is an error of a check that says nothing about the file, such as
// another object that it needs and cannot get. The bytes received so far are kept.
type UndecidedError struct{ Err error }

func (e *UndecidedError) Error() string { return e.Err.Error() }
func (e *UndecidedError) Unwrap() error { return e.Err }

// A refusal is an error of Check.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// File downloads an object into a file. Until the file is whole, hashed and durable, its
// name is name + Ext. If such a file exists, File resumes it. Errors: fs.ErrNotExist,
// bucket.ErrChanged; *WrongError, after which nothing is left; fs.ErrExist if another file
// has taken the name meanwhile; after any other error, another call resumes.
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
	flow *flow
	at   int64      // offset of the next byte
	tag  bucket.Tag // of the first answer
}

func (d *download) run(ctx context.Context, to durable.FS, name string) (err error) {
	if d.file, err = to.Append(name + Ext); err != nil {
		return err
	}
	if err = d.fill(ctx); err == nil {
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

// fill completes the file. The file of an earlier call may be torn by a power cut: fill
// discards it once before it blames the bucket.
func (d *download) fill(ctx context.Context) error {
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > d.want.Size {
		err = d.file.Truncate(0)
	}
	resumed := info.Size() > 0 && info.Size() <= d.want.Size
	if err == nil {
		err = d.attempt(ctx)
	}
	if resumed && (errors.As(err, new(*WrongError)) || errors.As(err, new(refusal))) {
		if err = d.file.Truncate(0); err == nil {
			err = d.attempt(ctx)
		}
	}
	return err
}

// attempt completes the file, and checks it meanwhile.
func (d *download) attempt(ctx context.Context) error {
	d.at, d.tag, d.flow = 0, "", newFlow(d.file)
	d.flow.left = d.want.Check == nil
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	coming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	checked := make(chan error, 1)
	go func() {
		err := d.check()
		if err != nil {
			stop(err) // the rest is not needed
		}
		d.flow.leave()
		checked <- err
	}()
	err := d.rest(coming)
	if err == nil && d.flow.sum() != d.want.Checksum {
		err = d.wrong("its sha256 is %s, want %s", d.flow.sum(), d.want.Checksum)
	}
	d.flow.end(err)
	found := <-checked
	if errors.As(found, new(*UndecidedError)) {
		return found
	}
	if found != nil && !d.flow.failed() && ctx.Err() == nil {
		return refusal{found}
	}
	return err
}

func (d *download) check() error {
	if d.want.Check == nil {
		return nil
	}
	return d.want.Check(d.flow)
}

// rest hashes the bytes on disk and downloads those that are missing. When it returns, all
// bytes are written and hashed.
func (d *download) rest(ctx context.Context) error {
	p := newPump(d.flow, d.want.Check != nil)
	err := d.here(ctx, p)
	for failed := 0; err == nil && d.at < d.want.Size; {
		var n int64
		n, err = d.part(ctx, p)
		switch {
		case err == nil:
		case n > 0 && errors.Is(err, io.ErrUnexpectedEOF):
			failed, err = 0, nil
		case errors.Is(err, io.ErrUnexpectedEOF) && failed < tries:
			failed, err = failed+1, nil
		}
	}
	if err != nil {
		d.flow.end(err)
	}
	return errors.Join(p.close(), err)
}

// here hashes the bytes on disk.
func (d *download) here(ctx context.Context, p *pump) error {
	n, err := p.copy(ctx, d.file, d.want.Size, false)
	d.at += n
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return err
}

// part downloads the bytes of one answer.
func (d *download) part(ctx context.Context, p *pump) (n int64, err error) {
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
	n, err = p.copy(ctx, body, d.want.Size-d.at, true)
	d.at += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (d *download) wrong(format string, args ...any) error {
	return &WrongError{d.key, d.from.String(), fmt.Sprintf(format, args...)}
}

// Sweep removes the unfinished downloads in a folder, except those of the names in keep.
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
