package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// A MembersError says that a bundle is what the peer's root names, but has wrong members.
type MembersError struct{ Reasons []string }

func (e *MembersError) Error() string {
	const most = 10
	text := strings.Join(e.Reasons[:min(most, len(e.Reasons))], "; ")
	if more := len(e.Reasons) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// maxReasons bounds the number of reasons.
const maxReasons = 1000

// checking is the check of one bundle: of its bytes against its list, and meanwhile of the
// list against the index and what is held.
type checking struct {
	of *root.File
	judging
}

// judging is the check of the crates of a bundle or segment.
type judging struct {
	j        *replication
	verdicts []judgement // by crate, in the order of the file
	reasons  []string
	before   map[crate.Key]crate.Checksum // members for which the index names these other bytes
	last     struct {
		name string
		rows []catalog.Version
	}
	unnamed  int64
	min, max string // smallest and largest name
	bytes    int64
}

// judgement is what the index and the catalog say about a crate.
type judgement byte

const (
	unnamed judgement = iota // no index names it
	current                  // the index names these bytes
	yanked                   // it names them, and says that they are yanked
	earlier                  // the index names other bytes

	held judgement = 1 << 7 // a flag in addition: the catalog already has these bytes
)

// run reads a whole bundle, compares it with its list, and judges every member.
func (c *checking) run(ctx context.Context, file io.ReaderAt) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return c.compare(ctx, file) })
	both.Go(func() error { return c.judge(ctx) })
	return both.Wait()
}

// compare reads a whole bundle and compares it with its list.
func (c *checking) compare(ctx context.Context, file io.ReaderAt) error {
	listed, stop := iter.Pull2(c.j.members(ctx, c.of))
	defer stop()
	for m, err := range bundle.Arriving(file, c.of.Size) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return &MembersError{[]string{err.Error()}}
		}
		said, err, ok := listed()
		if err != nil {
			return err
		}
		if !ok || said != m {
			return &MembersError{[]string{fmt.Sprintf("%s at offset %d is not what its list %s says", m.ID, m.Offset, c.of.Lists[0].Name)}}
		}
	}
	if _, err, more := listed(); more || err != nil {
		return errors.Join(err, &MembersError{[]string{"its list names more than is in it"}})
	}
	return nil
}

// judge judges every member of the list by the index and the catalog.
func (c *checking) judge(ctx context.Context) error {
	for m, err := range c.j.members(ctx, c.of) {
		if err == nil && len(c.verdicts) >= c.of.Entries {
			err = &MembersError{[]string{"its list names more than the root says"}}
		}
		if err != nil {
			return err
		}
		if err := c.add(ctx, crate.Key{ID: m.ID, Checksum: m.Checksum}, m.Size); err != nil {
			return err
		}
	}
	return c.end(ctx, c.of)
}

func newJudging(j *replication) judging {
	return judging{j: j, before: map[crate.Key]crate.Checksum{}}
}

// add judges a crate.
func (g *judging) add(ctx context.Context, key crate.Key, size int64) error {
	if len(g.verdicts) == 0 {
		g.min, g.max = key.Name, key.Name
	}
	g.min, g.max = min(g.min, key.Name), max(g.max, key.Name)
	g.bytes += size
	v, err := g.judge(ctx, key)
	g.verdicts = append(g.verdicts, v)
	return err
}

func (g *judging) judge(ctx context.Context, key crate.Key) (v judgement, err error) {
	line, err := g.j.line(ctx, key.ID)
	if err != nil {
		return v, err
	}
	switch {
	case line == nil:
		v = unnamed
	case line.Checksum != key.Checksum:
		v = earlier
	case line.Yanked:
		v = yanked
	default:
		v = current
	}
	rows, err := g.rows(ctx, key.Name)
	if err != nil {
		return v, err
	}
	for i := range rows {
		if rows[i].Version == key.Version && rows[i].Checksum == key.Checksum {
			return v | held, nil // as current or as earlier bytes
		}
	}
	for i := range rows {
		if row := &rows[i]; row.ID == key.ID && !row.VerifiedAt.IsZero() && row.SupersededAt.IsZero() && !g.j.came(row) {
			return v, g.refuse("%s has sha256 %s, and is held here with %s", key.ID, key.Checksum, row.Checksum)
		}
	}
	switch v {
	case unnamed:
		g.unnamed++
	case earlier:
		g.before[crate.Key{ID: key.ID, Checksum: line.Checksum}] = key.Checksum
		if len(g.before) > maxReasons {
			return v, g.refuse("%s has sha256 %s, and the index names %s", key.ID, key.Checksum, line.Checksum)
		}
	}
	return v, nil
}

// rows returns the rows of a crate, which are read once because members are in order; the
// catalog does not change while crates are judged.
func (g *judging) rows(ctx context.Context, name string) (rows []catalog.Version, err error) {
	if g.last.name != name {
		if rows, err = g.j.w.Catalog.Versions(ctx, name); err != nil {
			return nil, err
		}
		g.last.name, g.last.rows = name, rows
	}
	return g.last.rows, nil
}

func (g *judging) refuse(format string, args ...any) error {
	if g.reasons = append(g.reasons, fmt.Sprintf(format, args...)); len(g.reasons) >= maxReasons {
		return &MembersError{g.reasons}
	}
	return nil
}

// end does the checks that concern all crates.
func (g *judging) end(ctx context.Context, of *root.File) error {
	if len(g.verdicts) != of.Entries || g.bytes != of.Bytes {
		return &MembersError{[]string{fmt.Sprintf("%d crates of %d bytes are in it, the root says %d of %d", len(g.verdicts), g.bytes, of.Entries, of.Bytes)}}
	}
	if len(g.before) > 0 {
		if err := g.later(ctx); err != nil {
			return err
		}
	}
	if len(g.reasons) > 0 {
		slices.Sort(g.reasons)
		return &MembersError{g.reasons}
	}
	return nil
}

// line returns the index's entry for a version; nil if there is none.
func (j *replication) line(ctx context.Context, id crate.ID) (*index.Entry, error) {
	path := crate.IndexPath(id.Name)
	if j.last == nil || j.last.Path != path {
		c, err := j.lookup.Crate(ctx, id.Name)
		if errors.Is(err, fs.ErrNotExist) {
			c, err = &index.Crate{File: index.File{Path: path}}, nil
		}
		if err == nil && c.Err != nil {
			err = c.Err
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s in the index: %w", id.Name, err)
		}
		j.last = c
	}
	for i := range j.last.Entries {
		if e := &j.last.Entries[i]; e.ID == id {
			return e, nil
		}
	}
	return nil, nil
}
