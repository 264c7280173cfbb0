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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// A MembersError says that a bundle, though it is what the peer's root names, has in it
// what it must not have.
type MembersError struct{ Reasons []string }

func (e *MembersError) Error() string {
	const most = 10
	text := strings.Join(e.Reasons[:min(most, len(e.Reasons))], "; ")
	if more := len(e.Reasons) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// maxReasons bounds how many are looked for.
const maxReasons = 1000

// checking is the check of one bundle: of its bytes beside its list, and meanwhile of the
// list beside the index and what is held.
type checking struct {
	j  *replication
	of *root.File
	judging
}

// judging is what is found out about the members of a list.
type judging struct {
	verdicts []judgement // by member
	reasons  []string
	before   map[crate.Key]crate.Checksum // members of which the index names these other bytes
	unnamed  int64
	min, max string // names
	bytes    int64
}

// judgement is what the index and the catalog say of a member.
type judgement byte

const (
	unnamed judgement = iota // no index names it
	current                  // the index names these bytes
	yanked                   // and says that it is yanked
	earlier                  // the index names other bytes

	held judgement = 1 << 7 // a bit beside these: the catalog has these bytes already
)

// run reads a bundle to its last byte, beside its list, and judges every member.
func (c *checking) run(ctx context.Context, file io.ReaderAt) error {
	c.judging = judging{before: map[crate.Key]crate.Checksum{}}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return c.compare(ctx, file) })
	both.Go(func() error { return c.judge(ctx) })
	return both.Wait()
}

// compare reads a bundle to its last byte, beside its list.
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

// judge asks of every member of the list what the index and the catalog say.
func (c *checking) judge(ctx context.Context) error {
	for m, err := range c.j.members(ctx, c.of) {
		if err == nil && len(c.verdicts) >= c.of.Entries {
			err = &MembersError{[]string{"its list names more than the root says"}}
		}
		if err != nil {
			return err
		}
		v, err := c.member(ctx, &m)
		if err != nil {
			return err
		}
		c.verdicts = append(c.verdicts, v)
	}
	return c.end(ctx)
}

// member judges one.
func (c *checking) member(ctx context.Context, m *bundle.Member) (v judgement, err error) {
	if len(c.verdicts) == 0 {
		c.min, c.max = m.ID.Name, m.ID.Name
	}
	c.min, c.max = min(c.min, m.ID.Name), max(c.max, m.ID.Name)
	c.bytes += m.Size
	line, err := c.j.line(ctx, m.ID)
	if err != nil {
		return v, err
	}
	switch {
	case line == nil:
		v = unnamed
	case line.Checksum != m.Checksum:
		v = earlier
	case line.Yanked:
		v = yanked
	default:
		v = current
	}
	rows, err := c.j.w.Catalog.BytesOf(ctx, m.ID)
	if err != nil {
		return v, err
	}
	for i := range rows {
		if rows[i].Checksum == m.Checksum {
			return v | held, nil // as the version's or as what it was
		}
	}
	for i := range rows {
		if row := &rows[i]; row.ID == m.ID && !row.VerifiedAt.IsZero() && row.SupersededAt.IsZero() {
			return v, c.refuse("%s has sha256 %s, and is held here with %s", m.ID, m.Checksum, row.Checksum)
		}
	}
	switch v {
	case unnamed:
		c.unnamed++
	case earlier:
		c.before[crate.Key{ID: m.ID, Checksum: line.Checksum}] = m.Checksum
		if len(c.before) > maxReasons {
			return v, c.refuse("%s has sha256 %s, and the index names %s", m.ID, m.Checksum, line.Checksum)
		}
	}
	return v, nil
}

func (c *checking) refuse(format string, args ...any) error {
	if c.reasons = append(c.reasons, fmt.Sprintf(format, args...)); len(c.reasons) >= maxReasons {
		return &MembersError{c.reasons}
	}
	return nil
}

// end asks what has to be asked of all of them.
func (c *checking) end(ctx context.Context) error {
	if len(c.verdicts) != c.of.Entries || c.bytes != c.of.Bytes {
		return &MembersError{[]string{fmt.Sprintf("%d crates of %d bytes are in it, the root says %d of %d", len(c.verdicts), c.bytes, c.of.Entries, c.of.Bytes)}}
	}
	if len(c.before) > 0 {
		if err := c.later(ctx); err != nil {
			return err
		}
	}
	if len(c.reasons) > 0 {
		slices.Sort(c.reasons)
		return &MembersError{c.reasons}
	}
	return nil
}

// later looks in the lists of the peer for what the index names in the place of members:
// a version that was published again has its later bytes in a later bundle.
func (c *checking) later(ctx context.Context) error {
	for i := range c.j.root.Bundles {
		f := &c.j.root.Bundles[i]
		if len(c.before) == 0 {
			return nil
		}
		for n := range f.Lists {
			if err := c.j.in.Fetch(ctx, root.BundlesDir, &f.Lists[n]); err != nil {
				return err
			}
			err := c.j.in.ReadList(ctx, f, &f.Lists[n], func(e *lists.ManifestEntry) error {
				delete(c.before, crate.Key{ID: e.ID, Checksum: e.Checksum})
				return nil
			})
			if err != nil {
				return &MembersError{[]string{fmt.Sprintf("reading %s: %v", f.Lists[n].Name, err)}}
			}
		}
	}
	for key, got := range c.before {
		if _, err := c.j.w.Catalog.ByChecksum(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return err
			}
			continue // held here already
		}
		if err := c.refuse("%s has sha256 %s, and the index names %s", key.ID, got, key.Checksum); err != nil {
			return err
		}
	}
	return nil
}

// line is what the index says of a version; nil: nothing.
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
