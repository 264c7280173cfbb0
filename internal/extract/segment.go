package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// segment is a segment of the deep archive that is being extracted. Only the goroutine that
// goes from pack to pack uses it, except reader, which all may use.
type segment struct {
	name   string
	reader *deep.Reader
	before int64         // sizes of the files before it
	names  *index.Lookup // nil: there is no index
	last   *index.Crate  // that was looked up
}

// packMemory bounds the memory for rebuilding packs, in bytes. A pack that needs more is
// rebuilt alone.
const packMemory = 512 << 20

// FindSegments returns the names of the segments in a folder, sorted, including unfinished
// ones.
func FindSegments(folder durable.Reader) (names []string, err error) {
	entries, err := folder.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		finished := strings.TrimSuffix(e.Name(), deep.PartExt)
		if isSegment(e.Name()) && !slices.Contains(names, finished) { // which has both names for an instant
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// isSegment reports whether a file has the name of a segment, finished or not.
func isSegment(name string) bool {
	_, err := deep.ParseFileName(strings.TrimSuffix(name, deep.PartExt))
	return err == nil
}

// segment extracts one segment; before is the total size of earlier files. An error ends
// the run.
func (r *run) segment(ctx context.Context, name string, before int64) (size int64, err error) {
	s := &segment{name: name, before: before}
	f, size, err := openSized(r.cfg.Bundles, name)
	if err == nil {
		defer f.Close()
		s.reader, err = deep.Open(name, f, size)
	}
	if err != nil {
		r.problem(Problem{Kind: Damaged, Bundle: name, Err: err})
		return 0, nil
	}
	if r.cfg.Index != nil {
		s.names = r.cfg.Index.NewLookup(ctx)
		defer func() { err = errors.Join(err, s.names.Close()) }()
	}
	return size, r.packs(ctx, s)
}

func openSized(from durable.Reader, name string) (durable.File, int64, error) {
	f, err := from.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// packs extracts all packs of a segment, as many at a time as cores and memory allow.
func (r *run) packs(ctx context.Context, s *segment) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	memory := semaphore.NewWeighted(packMemory)
	for d, err := range s.reader.Directories() {
		if err != nil {
			r.damagedSegment(s, err)
			continue
		}
		tasks, err := r.tasksOf(gctx, s, d)
		cost := costOf(d)
		if err == nil {
			err = memory.Acquire(gctx, cost)
		}
		if err != nil {
			if other := g.Wait(); other != nil { // err may be its echo
				return other
			}
			return endOf(ctx, err)
		}
		r.cfg.Progress.read.Store(s.before + d.Offset)
		g.Go(func() error {
			defer memory.Release(cost)
			return r.pack(gctx, s, d, tasks)
		})
	}
	return g.Wait()
}

// costOf returns how much of packMemory rebuilding a pack takes.
func costOf(d *deep.Directory) (most int64) {
	for n := range d.Versions {
		most = max(most, d.Cost(n))
	}
	return min(most, packMemory)
}

// endOf returns why ctx ended, if that is the cause of err.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// damagedSegment reports damage of a segment: lost packs, or its end.
func (r *run) damagedSegment(s *segment, err error) {
	if errors.Is(err, deep.ErrUnfinished) && strings.HasSuffix(s.name, deep.PartExt) {
		return
	}
	r.problem(Problem{Kind: Damaged, Bundle: s.name, Err: unnamed(err)})
}

// unnamed removes the name of the segment from an error, since the problem has it.
func unnamed(err error) error {
	if damage := (*deep.DamageError)(nil); errors.As(err, &damage) {
		return fmt.Errorf("damaged from offset %d to %d: %w", damage.Offset, damage.End, damage.Err)
	}
	return err
}

// entries returns what the index says of a crate.
func (s *segment) entries(ctx context.Context, r *run, name string) ([]index.Entry, error) {
	if s.last == nil || len(s.last.Entries) == 0 || s.last.Entries[0].ID.Name != name {
		c, err := s.names.Crate(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if c.Err != nil {
			r.cfg.Log.Warn("a file of the index cannot be read: its crates cannot be verified", "file", c.Path, "err", c.Err)
		}
		s.last = c
	}
	return s.last.Entries, nil
}
