package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// arriving is the folder for unfinished downloads of bundles, in the folder of bundles.
const arriving = ".replicating"

// kind has the differences between bundles and segments.
type kind struct {
	folder durable.FS
	files  []root.File
	known  func(context.Context) ([]catalog.Bundle, error)
	take   func(context.Context, *root.File) error
	here   *int // counts those already here
}

// takeAll copies every segment and bundle whose bytes are not here. Segments come first,
// because most versions that were published again were packed before that.
func (j *replication) takeAll(ctx context.Context) error {
	if j.deep != nil {
		err := j.takeKind(ctx, kind{j.deep, j.root.Segments, j.w.Catalog.Segments, j.takeSegment, &j.res.SegmentsHere})
		if err != nil {
			return err
		}
	}
	return j.takeKind(ctx, kind{j.w.Bundles, j.root.Bundles, j.w.Catalog.Bundles, j.take, &j.res.Here})
}

func (j *replication) takeKind(ctx context.Context, k kind) error {
	if err := k.folder.MkdirAll(arriving); err != nil {
		return err
	}
	known, err := k.known(ctx)
	if err != nil {
		return err
	}
	here, wanted := map[crate.Checksum]bool{}, map[string]bool{}
	for _, b := range known {
		here[b.Checksum] = b.Whole && !b.Thrown()
	}
	for i := range k.files {
		wanted[k.files[i].Name] = !here[k.files[i].SHA256]
	}
	if err := download.Sweep(k.folder, arriving, wanted); err != nil {
		return err
	}
	for i := range k.files {
		f := &k.files[i]
		if here[f.SHA256] {
			*k.here++
			continue
		}
		err := k.take(ctx, f)
		switch {
		case isRefusal(err):
			j.res.Refused = append(j.res.Refused, Refusal{f.Name, err})
			j.cfg.Log.Error("refused a file; nothing of it was published", "file", f.Name, "from", j.cfg.From.String(), "err", err)
		case err != nil:
			return fmt.Errorf("%s of %s: %w", f.Name, j.cfg.From, err)
		}
	}
	return nil
}

// isRefusal reports whether an error concerns the bundle itself, and not its transfer or
// the disk.
func isRefusal(err error) bool {
	var wrong *download.WrongError
	var list *replica.ListError
	var members *MembersError
	return errors.As(err, &wrong) || errors.As(err, &list) || errors.As(err, &members)
}

// take copies one bundle.
func (j *replication) take(ctx context.Context, f *root.File) error {
	if len(f.Lists) != 1 {
		return &replica.ListError{List: f.Name, Err: fmt.Errorf("%d lists are beside it, want one", len(f.Lists))}
	}
	if err := j.in.Fetch(ctx, root.BundlesDir, &f.Lists[0]); err != nil {
		return err
	}
	name := path.Join(arriving, f.Name)
	check := &checking{of: f}
	err := j.fetch(ctx, j.w.Bundles, root.BundlesDir, f, func(file io.ReaderAt) error {
		check.judging = newJudging(j)
		return check.run(ctx, file)
	})
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
	j.taken[b.Name] = true
	j.res.Bundles++
	j.res.Versions += int64(f.Entries)
	j.res.Bytes += f.Size
	j.res.Unnamed += check.unnamed
	j.cfg.Log.Info("copied a bundle", "bundle", f.Name, "as", b.Name, "versions", f.Entries, "bytes", f.Size)
	return nil
}

// fetch downloads a bundle or segment, and checks it before it gets a name. A file that a
// killed run had checked is checked again. An error that does not concern the file, such as
// a peer that goes down while the check asks it for something else, does not discard the
// file: the next run resumes.
func (j *replication) fetch(ctx context.Context, folder durable.FS, dir string, f *root.File, check func(io.ReaderAt) error) error {
	name := path.Join(arriving, f.Name)
	file, err := folder.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		want := download.Want{Size: f.Size, Checksum: f.SHA256, Check: deciding(check)}
		return download.File(ctx, j.cfg.From, root.Key(dir, f.Name), want, folder, name)
	}
	if err != nil {
		return err
	}
	sum, _, err := crate.Hash(store.Until(ctx, file))
	damaged := err == nil && sum != f.SHA256
	if damaged {
		err = errors.New("what is here has other bytes than the root names: another run downloads it again")
	}
	if err == nil {
		err = check(file)
	}
	err = errors.Join(err, file.Close())
	if ctx.Err() == nil && (damaged || isRefusal(err)) { // otherwise it is kept: downloading it took hours
		err = errors.Join(err, folder.Remove(name))
	}
	return err
}

// deciding returns a check that marks its errors that concern the file.
func deciding(check func(io.ReaderAt) error) func(io.ReaderAt) error {
	return func(file io.ReaderAt) error {
		err := check(file)
		if err != nil && !isRefusal(err) {
			err = &download.UndecidedError{Err: err}
		}
		return err
	}
}

// members yields the members in the list of a bundle, which was compared with the bundle.
func (j *replication) members(ctx context.Context, f *root.File) iter.Seq2[bundle.Member, error] {
	return func(yield func(bundle.Member, error) bool) {
		err := j.readList(ctx, f, &f.Lists[0], func(e *lists.ManifestEntry) error {
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

// readList reads a downloaded list. Wrong content is a *replica.ListError, which refuses
// the bundle but does not end the run.
func (j *replication) readList(ctx context.Context, f, list *root.File, each func(*lists.ManifestEntry) error) error {
	var ours error
	err := j.in.ReadList(ctx, f, list, func(e *lists.ManifestEntry) error {
		ours = each(e)
		return ours
	})
	switch {
	case err == nil || ours != nil || errors.As(err, new(*fs.PathError)): // of a disk that cannot be read
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &replica.ListError{List: list.Name, Err: err}
}
