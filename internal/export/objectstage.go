package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// objects is the work for one crate in the bucket.
type objects struct {
	path         string          // of its index file; empty: no line is shown
	before, body []byte          // its index file before and after; body is nil if unchanged
	without      []byte          // before, without the lines of versions that now have other bytes
	again        []*reader.Entry // those versions
	sum          crate.Checksum  // of body
	put          bool            // the bucket has the new index file
}

func (o *objects) changed() bool { return o.body != nil }

// stage puts the crate files of a crate that the bucket lacks, except those whose name is
// taken by other bytes that a line still names.
func (r *bucketRun) stage(ctx context.Context, name string) (objects, error) {
	c, err := r.Mirror.Crate(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return objects{}, nil
	}
	o := objects{path: crate.IndexPath(name)}
	if err != nil {
		return o, r.own(ctx, fmt.Errorf("%s: %w; its index file stays as it was", name, err))
	}
	known, there := r.state.has[o.path]
	if there && !r.VerifyExisting && known != (crate.Checksum{}) && known == sha256.Sum256(linesFor(c.Entries)) {
		r.count(c, c.Entries)
		r.Progress.kept.Add(int64(len(c.Entries)))
		return o, nil
	}
	if there {
		if o.before, err = r.read(ctx, o.path); err != nil {
			return o, err
		}
	}
	return o, r.stageVersions(ctx, c, &o)
}

// own records an error about a crate or version, and returns an error of the bucket or the
// end of ctx.
func (r *bucketRun) own(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Progress.problem(err)
	return nil
}

func (r *bucketRun) count(c *reader.Crate, shown []reader.Entry) {
	r.Progress.crates.Add(1)
	r.Progress.left.Add(int64(c.Left))
	for i := range shown {
		r.Progress.version(shown[i].Size)
	}
}

// linesFor returns the index file with these entries.
func linesFor(entries []reader.Entry) (body []byte) {
	for i := range entries {
		body = append(append(body, entries[i].Raw...), '\n')
	}
	return body
}

// read returns an index file of the bucket, or nil if there is none.
func (r *bucketRun) read(ctx context.Context, name string) ([]byte, error) {
	data, _, err := bucket.ReadAll(ctx, r.To, path.Join(IndexDir, name), bucket.Ask{}, maxIndexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (r *bucketRun) stageVersions(ctx context.Context, c *reader.Crate, o *objects) error {
	have := linesOf(o.before)
	named := sumsOf(o.before)
	var shown []reader.Entry
	for i := range c.Entries {
		e := &c.Entries[i]
		was, ok := named[e.ID]
		err := error(nil)
		switch {
		case (have[string(e.Raw)] || ok && was == e.Checksum) && !r.VerifyExisting:
			r.Progress.kept.Add(1) // it was put before the line that names it
		case ok && was != e.Checksum:
			o.again = append(o.again, e)
		default:
			err = r.bring(ctx, e)
		}
		if err == nil {
			shown = append(shown, *e)
			continue
		}
		if local := (*localError)(nil); !errors.As(err, &local) {
			return err
		}
		if err := r.own(ctx, fmt.Errorf("%w; its line is left out", err)); err != nil {
			return err
		}
	}
	if len(shown) == 0 {
		o.path, o.again = "", nil
		return nil
	}
	r.count(c, shown)
	body := linesFor(shown)
	if o.sum = sha256.Sum256(body); bytes.Equal(body, o.before) {
		o.put = true
		return nil
	}
	o.body = body
	if len(o.again) > 0 {
		o.without = withoutRepublished(o.before, c.Entries)
	}
	return nil
}

// sumsOf returns the checksums that an index file names.
func sumsOf(file []byte) map[crate.ID]crate.Checksum {
	sums := map[crate.ID]crate.Checksum{}
	for line := range bytes.Lines(file) {
		if e, err := index.ParseLine(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
			sums[e.ID] = e.Checksum
		}
	}
	return sums
}

// localError is an error of the mirror, not of the bucket.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

// bring puts the files of a version. The bucket verifies the checksum of the line.
func (r *bucketRun) bring(ctx context.Context, e *reader.Entry) error {
	f, err := r.Mirror.OpenBytes(ctx, e.Key())
	if err != nil {
		return &localError{err}
	}
	defer f.Close()
	body := bucket.Body{Data: f, Size: f.Size(), Checksum: e.Checksum, ContentType: typeCrate, CacheControl: cacheCrate}
	for _, name := range fileNames(e.ID) {
		err := r.putFile(ctx, path.Join(folderOf(e.Name), name), body)
		if errors.As(err, new(*bucket.RefusedError)) {
			return &localError{&crate.ChecksumError{ID: e.ID, Want: e.Checksum, Size: f.Size()}}
		}
		if err != nil {
			return fmt.Errorf("exporting %s: %w", e.ID, err)
		}
	}
	return nil
}

// putFile puts a crate file unless it is there. No line names another object of that name.
func (r *bucketRun) putFile(ctx context.Context, key string, body bucket.Body) error {
	_, err := r.To.Put(ctx, key, body, bucket.Absent())
	if errors.Is(err, bucket.ErrExists) {
		var equal bool
		if _, equal, err = holds(ctx, r.To, key, body); err == nil && equal {
			return nil
		}
		if err == nil {
			_, err = r.To.Put(ctx, key, body, bucket.Always())
		}
	}
	if err == nil {
		r.Progress.copied.Add(1)
	}
	return err
}

// holds is bucket.Holds, except that an absent object is not an error.
func holds(ctx context.Context, to bucket.Reader, key string, body bucket.Body) (bucket.Tag, bool, error) {
	tag, equal, err := bucket.Holds(ctx, to, key, body)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return tag, equal, err
}

// publish puts the index file of a crate. For versions with other bytes now, it first
// removes the lines, then puts the bytes, then the new lines.
func (r *bucketRun) publish(ctx context.Context, o *objects) error {
	if !o.changed() {
		return nil
	}
	if len(o.again) > 0 {
		if err := r.putIndex(ctx, o.path, o.without); err != nil {
			return err
		}
		for _, e := range o.again {
			if err := r.bring(ctx, e); errors.As(err, new(*localError)) {
				return r.own(ctx, fmt.Errorf("%w; its line is left out", err))
			} else if err != nil {
				return err
			}
		}
	}
	if err := r.putIndex(ctx, o.path, o.body); err != nil {
		return err
	}
	o.put = true
	r.Progress.index.Add(1)
	return nil
}

func (r *bucketRun) putIndex(ctx context.Context, name string, data []byte) error {
	body := bucket.Bytes(data)
	body.ContentType, body.CacheControl = typeIndex, cacheIndex
	_, err := r.To.Put(ctx, path.Join(IndexDir, name), body, bucket.Always())
	return err
}
