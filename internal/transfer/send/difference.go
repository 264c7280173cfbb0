package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// A difference is the catalog compared with what the far side has: one walk over both,
// in the order of names.
type difference struct {
	cfg  *Config
	plan *plan

	ledger, state states                // what was sent, and what the far side says; either may be empty
	rows          *spool                // what is carried
	next          *transfer.StateWriter // the state at the end of the transfer
	digest        *transfer.Digest      // of all that is held
	bundles       map[string]*share     // what of each bundle is carried
	segments      map[string]*packs     // and of each segment
	loose         int64                 // bytes of all else
}

// share is what is carried of a file of the mirror.
type share struct{ bytes, crates int64 }

// packs is share of a segment.
type packs struct {
	bytes map[int64]int64 // of each pack, by its offset
	size  int64           // of the crates themselves
}

// page is how many rows are asked for at a time.
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
			return fmt.Errorf("reading the state %s: %w", d.cfg.Since.Name, err)
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
	// What was sent once, the far side has, whatever the mirror threw away since.
	if err := d.ledger.skip(nil, d.next.Add); err != nil {
		return err
	}
	return d.state.skip(nil, nil)
}

func (d *difference) row(v *catalog.Version) error {
	key := v.Key()
	d.digest.Add(key)
	half := transfer.Half(key)
	if err := d.ledger.skip(&half, d.next.Add); err != nil {
		return err
	}
	if err := d.state.skip(&half, nil); err != nil {
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

// carry notes a row that is carried.
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

// mostlyNew is how much of a file of the mirror must be new for it to be carried as it is,
// in thousandths: a transfer has at most 1.02 times what is new.
const mostlyNew = 985

// choose finds the bundles and segments that are carried as they are, and sums up.
func (d *difference) choose(ctx context.Context) error {
	finished, err := finishedFiles(ctx, d.cfg)
	if err != nil {
		return err
	}
	limit := d.cfg.Volume - d.plan.reserve(d.cfg.Parity)
	for _, name := range slices.Sorted(maps.Keys(d.bundles)) {
		size := finished[name]
		if new := d.bundles[name].bytes; size > 0 && size <= limit && new*1000 >= size*mostlyNew {
			d.plan.Bundles = append(d.plan.Bundles, name)
			d.plan.Bytes += size
		} else {
			d.plan.Bytes += new
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.segments)) {
		new := int64(0)
		for _, bytes := range d.segments[name].bytes {
			new += bytes
		}
		if size := finished[name]; size > 0 && size <= limit && new*1000 >= size*mostlyNew {
			d.plan.Segments = append(d.plan.Segments, name)
			d.plan.Bytes += size
		} else {
			d.plan.Bytes += d.segments[name].size
		}
	}
	d.plan.Bytes += d.loose
	return nil
}

// finishedFiles are the sizes of the mirror's bundles and segments that never change any
// more.
func finishedFiles(ctx context.Context, cfg *Config) (map[string]int64, error) {
	sizes := map[string]int64{}
	bundles, err := cfg.Mirror.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	segments, err := cfg.Mirror.Catalog.Segments(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range append(bundles, segments...) {
		dir := cfg.Dirs.Bundles
		if _, err := bundle.ParseFileName(b.Name); err != nil {
			dir = cfg.Dirs.DeepOrUsual()
		}
		if !b.Whole || b.Thrown() {
			continue
		}
		if info, err := statIn(dir, b.Name); err == nil {
			sizes[b.Name] = info.Size()
		}
	}
	return sizes, nil
}

// states is a state that is walked along with the catalog. The zero states is empty.
type states struct {
	file   io.Closer
	reader *transfer.StateReader
	now    transfer.Entry
	ahead  bool // now is the next one
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

// skip passes over the entries before a key, or all, and gives them to fn, which may be
// nil.
func (s *states) skip(before *crate.Key, fn func(transfer.Entry) error) error {
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
		if fn != nil {
			if err := fn(s.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// take takes the next entry if it is of a key.
func (s *states) take(key *crate.Key) (transfer.Entry, bool) {
	if !s.ahead || transfer.Compare(s.now.Key, *key) != 0 {
		return transfer.Entry{}, false
	}
	s.ahead = false
	return s.now, true
}

// isWhole reports whether a row is carried in a file of the mirror, as that is.
func isWhole(p *plan, at store.Placement) bool {
	if at.Bundle != "" {
		return slices.Contains(p.Bundles, at.Bundle)
	}
	return !at.Loose && slices.Contains(p.Segments, at.Deep.Segment)
}
