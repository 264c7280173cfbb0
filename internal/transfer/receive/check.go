package receive

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

func bytesOf(data []byte) io.Reader { return bytes.NewReader(data) }

// readSome reads a file of a size that is known.
func readSome(from durable.Reader, name string, size int64) ([]byte, error) {
	f, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, size+1))
}

// check reads all that is staged, to its last byte.
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

func (k *taking) checkFile(ctx context.Context, s *staged) (err error) {
	f, err := s.folder.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, size, err := crate.Hash(io.NewSectionReader(f, 0, s.Size+1))
	if err != nil {
		return err
	}
	if sum != s.SHA256 || size != s.Size {
		// It is to be copied once more. What went wrong otherwise, such as a disk that is
		// full, is no reason to have the volume brought again.
		return errors.Join(errors.New("it is not what was signed any more"), s.folder.Remove(s.path))
	}
	switch s.Kind() {
	case transfer.Bundle:
		return s.checkBundle(ctx, f)
	case transfer.Segment:
		return s.checkSegment(ctx, f)
	case transfer.Index:
		return carry.Check(ctx, k.clone(), f, k.t.manifest.End.Commit)
	case transfer.Log:
		return k.checkLog(f)
	case transfer.Facts:
		for _, err := range transfer.ReadFacts(f) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSegment rebuilds every crate of a segment.
func (s *staged) checkSegment(ctx context.Context, f durable.File) error {
	r, err := deep.Open(s.Name, f, s.Size)
	if err != nil {
		return err
	}
	for d, err := range r.Directories() {
		if err != nil {
			return err
		}
		var bad error
		if err := r.Check(ctx, d, deep.Crates, func(_ int, err error) { bad = cmp.Or(bad, err) }); err != nil {
			return err
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

// clone is the index that takes what is carried.
func (k *taking) clone() clone.Config {
	return clone.Config{Dir: k.cfg.Home.Dirs.Index, AcceptShrink: k.cfg.AcceptShrink, Log: k.cfg.Log}
}

// membersExt ends the name of the file with what is in a staged bundle: it is read once.
const membersExt = ".members"

// checkBundle reads a bundle, and notes what is in it.
func (s *staged) checkBundle(ctx context.Context, f durable.File) error {
	r, err := bundle.Open(f, s.Size)
	if err != nil {
		return err
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
				return err
			}
			if n++; n > s.Entries {
				break
			}
			if err := enc.Encode(m); err != nil {
				return err
			}
		}
		if n != s.Entries {
			return fmt.Errorf("it has other than %d crates", s.Entries)
		}
		return out.Flush()
	})
}

// members yields what is in a staged bundle.
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

// summary sums up what is in a staged bundle.
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
