package receive

import (
	"bufio"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// check reads all staged files completely. Errors: errStale.
func (k *taking) check(ctx context.Context) error {
	for _, s := range k.inOrder() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if s.taken {
			continue
		}
		if err := k.checkFile(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// errStale means that a staged file is no longer what was signed. It was removed and must
// be copied again.
var errStale = errors.New("it is no longer what was signed")

// A forgedError says that a file is what was signed, but is not of its kind or exceeds its
// limits.
type forgedError struct{ error }

func (e forgedError) Unwrap() error { return e.error }

func forged(err error) error {
	if err == nil {
		return nil
	}
	return forgedError{err}
}

func (k *taking) checkFile(ctx context.Context, s *staged) (err error) {
	f, err := s.folder.Open(s.path)
	if err != nil {
		return err
	}
	in := &watched{File: f}
	err = k.checkOpen(ctx, s, in)
	if err = errors.Join(err, f.Close()); err == nil {
		return nil
	}
	switch {
	case errors.Is(err, errStale):
		return errors.Join(err, s.remove())
	case errors.As(err, new(forgedError)) && in.err == nil && context.Cause(ctx) == nil:
		return errors.Join(fmt.Errorf("%w; it came like this, and was removed from where it was staged: ask the sending side for another transfer", err), s.remove())
	}
	// Other errors, such as a full disk, are not a reason to copy the volume again.
	return err
}

// remove removes a file that must not be imported.
func (s *staged) remove() error {
	err := s.folder.Remove(s.path + membersExt)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(s.folder.Remove(s.path), err)
}

// watched remembers that this disk could not be read.
type watched struct {
	durable.File
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.File.Read(p)
	w.note(err)
	return n, err
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.File.ReadAt(p, off)
	w.note(err)
	return n, err
}

func (w *watched) note(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
}

func (k *taking) checkOpen(ctx context.Context, s *staged, f durable.File) error {
	sum, size, err := crate.Hash(io.NewSectionReader(f, 0, s.Size+1))
	if err != nil {
		return err
	}
	if sum != s.SHA256 || size != s.Size {
		return errStale
	}
	switch s.Kind() {
	case transfer.Bundle:
		return s.checkBundle(ctx, f)
	case transfer.Segment:
		return s.checkSegment(ctx, f)
	case transfer.Index:
		err := carry.Check(ctx, k.clone(), f, k.t.manifest.End.Commit)
		if errors.Is(err, carry.ErrFormat) {
			err = forged(err)
		}
		return err
	case transfer.Log:
		return k.checkLog(f)
	case transfer.Hidden:
		return checkGate(f)
	case transfer.Facts:
		for _, err := range transfer.ReadFacts(f) {
			if err != nil {
				return forged(err)
			}
		}
	}
	return nil
}

// checkSegment rebuilds every crate of a segment.
func (s *staged) checkSegment(ctx context.Context, f durable.File) error {
	r, err := deep.Open(s.Name, f, s.Size)
	if err != nil {
		return forged(err)
	}
	for d, err := range r.Directories() {
		if err != nil {
			return forged(err)
		}
		var bad error
		if err := r.Check(ctx, d, deep.Crates, func(_ int, err error) { bad = cmp.Or(bad, err) }); err != nil {
			return forged(err)
		}
		if bad != nil {
			return forged(bad)
		}
	}
	return nil
}

// clone returns the configuration of the index that receives what is carried.
func (k *taking) clone() clone.Config {
	return clone.Config{Dir: k.cfg.Home.Dirs.Index, AcceptShrink: k.cfg.AcceptShrink, Log: k.cfg.Log}
}

// membersExt is the suffix of the file with the members of a staged bundle, so that the
// bundle is read only once.
const membersExt = ".members"

// checkBundle reads a bundle, and records its members.
func (s *staged) checkBundle(ctx context.Context, f durable.File) error {
	r, err := bundle.Open(f, s.Size)
	if err != nil {
		return forged(err)
	}
	return durable.FillFile(s.folder, s.path+membersExt, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		enc := gob.NewEncoder(out)
		n := 0
		for m, err := range r.Members() {
			if err == nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return forged(err)
			}
			if n++; n > s.Entries {
				break
			}
			if err := enc.Encode(m); err != nil {
				return err
			}
		}
		if n != s.Entries {
			return forged(fmt.Errorf("it has other than %d crates", s.Entries))
		}
		return out.Flush()
	})
}

// members yields the members of a staged bundle.
func (s *staged) members() iter.Seq2[bundle.Member, error] {
	return func(yield func(bundle.Member, error) bool) {
		f, err := s.folder.Open(s.path + membersExt)
		if err != nil {
			yield(bundle.Member{}, err)
			return
		}
		defer f.Close()
		dec := gob.NewDecoder(bufio.NewReader(f))
		for {
			var m bundle.Member
			err := dec.Decode(&m)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// summary returns the summary of a staged bundle.
func (s *staged) summary() (sum bundle.Summary, err error) {
	sum = bundle.Summary{FileSize: s.Size, Checksum: s.SHA256}
	for m, err := range s.members() {
		if err != nil {
			return sum, err
		}
		if sum.Members == 0 {
			sum.Min, sum.Max = m.ID.Name, m.ID.Name
		}
		sum.Members++
		sum.Size += m.Size
		sum.Min, sum.Max = min(sum.Min, m.ID.Name), max(sum.Max, m.ID.Name)
	}
	return sum, nil
}
