package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// arriving is the folder, in that of bundles, of bundles that are on their way.
const arriving = ".replicating"

// takeAll takes every bundle whose bytes are not here.
func (j *replication) takeAll(ctx context.Context) error {
	if err := j.w.Bundles.MkdirAll(arriving); err != nil {
		return err
	}
	known, err := j.w.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	here, wanted := map[crate.Checksum]bool{}, map[string]bool{}
	for _, b := range known {
		here[b.Checksum] = b.Whole && !b.Thrown()
	}
	for i := range j.root.Bundles {
		wanted[j.root.Bundles[i].Name] = !here[j.root.Bundles[i].SHA256]
	}
	if err := download.Sweep(j.w.Bundles, arriving, wanted); err != nil {
		return err
	}
	for i := range j.root.Bundles {
		f := &j.root.Bundles[i]
		if here[f.SHA256] {
			j.res.Here++
			continue
		}
		err := j.take(ctx, f)
		switch {
		case isRefusal(err):
			j.res.Refused = append(j.res.Refused, Refusal{f.Name, err})
			j.cfg.Log.Error("a bundle was refused, and nothing of it was published", "bundle", f.Name, "from", j.cfg.From.String(), "err", err)
		case err != nil:
			return fmt.Errorf("%s of %s: %w", f.Name, j.cfg.From, err)
		}
	}
	return nil
}

// isRefusal tells what is wrong with a bundle from what is wrong with the way here, or
// with the disk.
func isRefusal(err error) bool {
	var wrong *download.WrongError
	var list *replica.ListError
	var members *MembersError
	return errors.As(err, &wrong) || errors.As(err, &list) || errors.As(err, &members)
}

// take brings one bundle home.
func (j *replication) take(ctx context.Context, f *root.File) error {
	if len(f.Lists) != 1 {
		return &replica.ListError{List: f.Name, Err: fmt.Errorf("%d lists are beside it, want one", len(f.Lists))}
	}
	if err := j.in.Fetch(ctx, root.BundlesDir, &f.Lists[0]); err != nil {
		return err
	}
	name := path.Join(arriving, f.Name)
	check := &checking{j: j, of: f}
	err := j.fetch(ctx, f, name, check)
	if err != nil {
		return err
	}
	sum := bundle.Summary{Members: f.Entries, Size: f.Bytes, FileSize: f.Size, Checksum: f.SHA256, Min: check.min, Max: check.max}
	b, err := j.w.TakeBundle(ctx, name, sum, func() iter.Seq2[bundle.Member, error] { return j.members(ctx, f) })
	if err != nil {
		return err
	}
	if err := j.record(ctx, b.Name, f, check.verdicts); err != nil {
		return err
	}
	j.res.Bundles++
	j.res.Versions += int64(f.Entries)
	j.res.Bytes += f.Size
	j.res.Unnamed += check.unnamed
	j.cfg.Log.Info("a bundle has come", "bundle", f.Name, "as", b.Name, "versions", f.Entries, "bytes", f.Size)
	return nil
}

// fetch downloads a bundle, and checks it before it gets a name. One that a run before
// has checked, and was killed then, is checked again.
func (j *replication) fetch(ctx context.Context, f *root.File, name string, check *checking) error {
	file, err := j.w.Bundles.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		want := download.Want{Size: f.Size, Checksum: f.SHA256, Check: func(file io.ReaderAt) error { return check.run(ctx, file) }}
		return download.File(ctx, j.cfg.From, root.Key(root.BundlesDir, f.Name), want, j.w.Bundles, name)
	}
	if err != nil {
		return err
	}
	sum, _, err := crate.Hash(store.Until(ctx, file))
	if err == nil && sum != f.SHA256 {
		err = errors.New("other bytes than the root names")
	}
	if err == nil {
		err = check.run(ctx, file)
	}
	err = errors.Join(err, file.Close())
	if err != nil && ctx.Err() == nil { // a run that is stopped here keeps what took hours to come
		err = errors.Join(err, j.w.Bundles.Remove(name))
	}
	return err
}

// members yields what the list of a bundle says, which was compared with the bundle.
func (j *replication) members(ctx context.Context, f *root.File) iter.Seq2[bundle.Member, error] {
	return func(yield func(bundle.Member, error) bool) {
		err := j.in.ReadList(ctx, f, &f.Lists[0], func(e *lists.ManifestEntry) error {
			if !yield(e.Member, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(bundle.Member{}, err)
		}
	}
}

var errStop = errors.New("enough")

// batch is how many rows are written at a time.
const batch = 4096

// record has the catalog say of the members of a bundle what their check has found.
func (j *replication) record(ctx context.Context, name string, f *root.File, verdicts []judgement) error {
	now := time.Now()
	var rows []catalog.Version
	flush := func() error {
		err := j.w.Catalog.Commit(ctx, catalog.Batch{Versions: rows})
		rows = rows[:0]
		return err
	}
	n := 0
	for m, err := range j.members(ctx, f) {
		if err != nil {
			return err
		}
		v := verdicts[n]
		if n++; v&^held == unnamed { // nobody vouches for it
			continue
		}
		row := catalog.Version{ID: m.ID, Checksum: m.Checksum, Size: m.Size}
		if v&held != 0 {
			if row, err = j.w.Catalog.ByChecksum(ctx, crate.Key{ID: m.ID, Checksum: m.Checksum}); err != nil {
				return err
			}
		}
		switch {
		case v&^held != earlier:
			row.VerifiedAt, row.Listed, row.Yanked, row.SupersededAt = now, true, v&^held == yanked, time.Time{}
		case row.SupersededAt.IsZero():
			row.SupersededAt, row.Listed = now, false
		}
		row.Placement = row.With(store.Placement{Bundle: name, Offset: m.Offset, FrameSize: m.FrameSize})
		if rows = append(rows, row); len(rows) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
