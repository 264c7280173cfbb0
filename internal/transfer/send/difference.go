package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// A difference compares the catalog with what the far side has, in one walk over both,
// ordered by name.
type difference struct {
	cfg  *Config
	plan *plan

	ledger, state states                // what was sent, and what the far side has; either may be empty
	rows          *spool                // what is carried
	next          *transfer.StateWriter // the state at the end of the transfer
	digest        *transfer.Digest      // of everything held
	bundles       map[string]*share     // the carried part of each bundle
	segments      map[string]*packs     // the carried part of each segment
	loose         int64                 // bytes of everything else
}

// share is the carried part of a file of the mirror.
type share struct{ bytes, crates int64 }

// packs is the carried part of a segment.
type packs struct {
	bytes map[int64]int64 // of each pack, by its offset
	size  int64           // of the crates themselves
}

// page is the number of rows that are read at a time.
const page = 4096

func (d *difference) run(ctx context.Context) (err error) {
	d.bundles, d.segments, d.digest = map[string]*share{}, map[string]*packs{}, transfer.NewDigest()
	if err := d.open(); err != nil {
		return err
	}
	defer d.close()
	rows, err := createSpool(d.cfg.Sent)
	if err != nil {
		return err
	}
	d.rows = rows
	err = durable.FillFile(d.cfg.Sent, nextName, func(w io.Writer) error {
		if d.next, err = transfer.NewStateWriter(w); err != nil {
			return err
		}
		if err := d.walk(ctx); err != nil {
			return err
		}
		d.plan.End.Digest, d.plan.Versions = d.digest.Sum(), d.digest.N
		return d.next.End(d.plan.End)
	})
	if err = errors.Join(err, rows.close()); err != nil {
		return err
	}
	if d.cfg.Since.State != nil {
		d.plan.Base = d.state.reader.Point
	}
	return d.choose(ctx)
}

// open opens the states.
func (d *difference) open() error {
	f, err := d.cfg.Sent.Open(stateName)
	if err == nil {
		err = d.ledger.open(f)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", stateName, err)
	}
	if d.cfg.Since.State != nil {
		f, err := d.cfg.Since.State()
		if err == nil {
			err = d.state.open(f)
		}
		if err != nil {
			return d.cfg.Since.unreadable(err)
		}
	}
	return nil
}

func (d *difference) close() {
	d.ledger.close()
	d.state.close()
}

// walk compares row by row.
func (d *difference) walk(ctx context.Context) error {
	last := crate.ID{}
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		rows, err := d.cfg.Mirror.Catalog.Page(ctx, last, page)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := d.row(&rows[i]); err != nil {
				return err
			}
			last = rows[i].ID
		}
		if len(rows) == 0 {
			break
		}
	}
	return errors.Join(d.ledger.skip(nil), d.state.skip(nil))
}

func (d *difference) row(v *catalog.Version) error {
	key := v.Key()
	d.digest.Add(key)
	half := transfer.Half(key)
	// What was sent but is no longer held is removed from the ledger: the far side may have
	// removed it, too, and if it is downloaded again, it must be carried again.
	if err := errors.Join(d.ledger.skip(&half), d.state.skip(&half)); err != nil {
		return err
	}
	entry, sent := d.ledger.take(&half)
	_, there := d.state.take(&half)
	if !sent {
		entry = transfer.Entry{Key: half, Since: d.plan.End.Number}
	}
	if err := d.next.Add(entry); err != nil {
		return err
	}
	if d.cfg.Since.State == nil {
		there = sent && entry.Since <= d.plan.Base.Number
	}
	if there {
		return nil
	}
	return d.carry(v)
}

// carry adds a row to what is carried.
func (d *difference) carry(v *catalog.Version) error {
	d.plan.Crates++
	switch {
	case v.Bundle != "":
		s := d.bundles[v.Bundle]
		if s == nil {
			s = new(share)
			d.bundles[v.Bundle] = s
		}
		s.bytes += v.FrameSize
		s.crates++
	case v.Deep.Segment != "" && !v.Loose:
		s := d.segments[v.Deep.Segment]
		if s == nil {
			s = &packs{bytes: map[int64]int64{}}
			d.segments[v.Deep.Segment] = s
		}
		s.bytes[v.Deep.Pack] = v.Deep.PackSize
		s.size += v.Size
	default:
		d.loose += v.Size
	}
	return d.rows.add(v)
}

// states is a state read in parallel with the catalog. The zero states is empty.
type states struct {
	file   io.Closer
	reader *transfer.StateReader
	now    transfer.Entry
	ahead  bool // now is the next entry
}

func (s *states) open(f io.ReadCloser) (err error) {
	s.file = f
	s.reader, err = transfer.NewStateReader(f)
	return err
}

func (s *states) close() {
	if s.reader != nil {
		s.reader.Close()
	}
	if s.file != nil {
		s.file.Close()
	}
}

// skip skips the entries before a key, or all.
func (s *states) skip(before *crate.Key) error {
	for s.reader != nil {
		if !s.ahead {
			e, err := s.reader.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			s.now, s.ahead = e, true
		}
		if before != nil && transfer.Compare(s.now.Key, *before) >= 0 {
			return nil
		}
		s.ahead = false
	}
	return nil
}

// take returns the next entry if it is that of a key.
func (s *states) take(key *crate.Key) (transfer.Entry, bool) {
	if !s.ahead || transfer.Compare(s.now.Key, *key) != 0 {
		return transfer.Entry{}, false
	}
	s.ahead = false
	return s.now, true
}
