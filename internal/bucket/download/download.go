// Package download brings objects out of a bucket into files: in ranges, so that one that
// was cut off at any byte is resumed, and hashed, so that a file gets its name only if it
// has the expected checksum. The provider of the bucket is not trusted: no more bytes are
// taken than expected, and wrong ones are told from lost ones.
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
	// Check looks at the file while its bytes come, in a goroutine of its own: ReadAt waits
	// for them. Its error is that of File, which then removes the file, except for an
	// [*UndecidedError]; it is called again if a resumed file turns out to be torn. If nil,
	// the checksum is enough.
	Check func(file io.ReaderAt) error
}

// An UndecidedError is what a check has met that says nothing of the file, such as another
// object that it needed and that did not come: what has come of this one is kept.
type UndecidedError struct{ Err error }

func (e *UndecidedError) Error() string { return e.Err.Error() }
func (e *UndecidedError) Unwrap() error { return e.Err }

// A refusal is what Check has found.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// File brings an object into a file, which gets its name when it is whole, hashed and
// durable; until then it is called name + Ext. If that is there, what it has is kept.
// Errors: fs.ErrNotExist, bucket.ErrChanged; *WrongError, after which nothing is left;
// fs.ErrExist if another file has got the name meanwhile; others, after which another
// call resumes.
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
	at   int64      // where the next byte is to come from
	tag  bucket.Tag // of what was read first
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

// fill makes the file what it should be. What an earlier call has left may be torn by
// a power cut: it is given up once, before the bucket is blamed.
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

// attempt makes the file whole, and has it checked meanwhile.
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
			stop(err) // the rest need not come
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

// rest hashes what is there, and brings what is missing. When it returns, all of it is
// written and hashed.
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

// here hashes what is there.
func (d *download) here(ctx context.Context, p *pump) error {
	n, err := p.copy(ctx, d.file, d.want.Size, false)
	d.at += n
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return err
}

// part brings what one answer has.
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
