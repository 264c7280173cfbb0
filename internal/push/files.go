package push

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// kind has the differences between bundles and segments.
type kind struct {
	dir   string // in the bucket
	known func(context.Context) ([]catalog.Bundle, error)
	of    func(*root.Root) *[]root.File
	lists func(durable.Reader, string) ([]string, error) // beside one
}

func bundlesOf(r *root.Root) *[]root.File  { return &r.Bundles }
func segmentsOf(r *root.Root) *[]root.File { return &r.Segments }

func (p *Pusher) bundles() kind {
	return kind{root.BundlesDir, p.writer.Catalog.Bundles, bundlesOf, func(folder durable.Reader, name string) ([]string, error) {
		claims, err := lists.FindClaims(folder)
		if err != nil {
			return nil, err
		}
		beside := claims.Beside(name)
		if len(beside) != 1 {
			return nil, fmt.Errorf("there are %d manifests beside it, want 1", len(beside))
		}
		return beside, nil
	}}
}

func (p *Pusher) segments() kind {
	return kind{root.DeepDir, p.writer.Catalog.Segments, segmentsOf, func(durable.Reader, string) ([]string, error) { return nil, nil }}
}

// Files pushes bundles and segments that are finished and not named yet, and removes the
// local files that the root names.
func (p *Pusher) Files(ctx context.Context) error {
	if p.writer.Bundles != nil {
		if err := p.push(ctx, p.bundles(), p.writer.Bundles); err != nil {
			return err
		}
	}
	deep, err := p.cfg.Dirs.OpenDeep()
	if err != nil || deep == nil {
		return err
	}
	return errors.Join(p.push(ctx, p.segments(), deep), deep.Close())
}

// push pushes what is finished of a kind.
func (p *Pusher) push(ctx context.Context, k kind, folder durable.FS) error {
	pending, err := p.pending(ctx, k, folder)
	if err != nil {
		return err
	}
	for i := range pending {
		if err := p.one(ctx, k, folder, &pending[i]); err != nil {
			return fmt.Errorf("pushing %s to %s: %w", pending[i].Name, p.cfg.Bucket, err)
		}
		p.note(-1, 0)
		if err := p.tidy(ctx, k, folder); err != nil {
			return err
		}
	}
	if err := p.retire(ctx, k); err != nil {
		return err
	}
	return p.tidy(ctx, k, folder) // what an earlier run could not remove
}

// retire makes the root stop naming files that were removed here: their wanted versions
// were stored elsewhere and pushed.
func (p *Pusher) retire(ctx context.Context, k kind) error {
	known, err := k.known(ctx)
	if err != nil {
		return err
	}
	thrown := map[string]bool{}
	for _, b := range known {
		thrown[b.Name] = b.Thrown()
	}
	before := p.session.Root()
	gone := func(f root.File) bool { return thrown[f.Name] }
	if !slices.ContainsFunc(*k.of(before), gone) {
		return nil
	}
	err = p.commit(ctx, func(r *root.Root) error {
		files := k.of(r)
		*files = slices.DeleteFunc(*files, gone)
		r.Supersede(before)
		return nil
	})
	if err == nil {
		p.cfg.Log.Info("rewritten bundles are no longer named", "store", p.cfg.Bucket.String())
	}
	return err
}

// pending returns the files that are completely recorded in the catalog, on the disk, and
// not named by the root.
func (p *Pusher) pending(ctx context.Context, k kind, folder durable.Reader) (pending []catalog.Bundle, err error) {
	known, err := k.known(ctx)
	if err != nil {
		return nil, err
	}
	here, err := local(folder)
	if err != nil {
		return nil, err
	}
	named := *k.of(p.session.Root())
	for _, b := range known {
		if !b.Whole || b.Thrown() || !here[b.Name] {
			continue
		}
		if !slices.ContainsFunc(named, func(f root.File) bool { return f.Name == b.Name }) {
			pending = append(pending, b)
		}
	}
	return pending, nil
}

// local returns the names on the disk.
func local(folder durable.Reader) (map[string]bool, error) {
	entries, err := folder.ReadDir(".")
	here := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() && !durable.IsUnchanging(e) {
			here[e.Name()] = true
		}
	}
	return here, err
}

// one pushes a bundle or segment, with the files beside it, and makes the root name it.
func (p *Pusher) one(ctx context.Context, k kind, folder durable.Reader, b *catalog.Bundle) error {
	file, err := p.object(ctx, k.dir, folder, b.Name, &b.Checksum)
	if err != nil {
		return err
	}
	file.Entries, file.Bytes, file.Shard = b.Entries, b.Bytes, p.cfg.Shard.String()
	beside, err := k.lists(folder, b.Name)
	if err != nil {
		return err
	}
	for _, name := range beside {
		list, err := p.object(ctx, k.dir, folder, name, nil)
		if err != nil {
			return err
		}
		file.Lists = append(file.Lists, list)
	}
	err = p.commit(ctx, func(r *root.Root) error {
		files := k.of(r)
		if !slices.ContainsFunc(*files, func(f root.File) bool { return f.Name == file.Name }) {
			*files = append(*files, file)
		}
		return nil
	})
	if err == nil {
		p.cfg.Log.Info("pushed", "file", b.Name, "bytes", file.Size, "crates", b.Entries, "store", p.cfg.Bucket.String())
	}
	return err
}

// commit changes the root, and shows the new one.
func (p *Pusher) commit(ctx context.Context, change func(*root.Root) error) error {
	err := p.session.Commit(ctx, change)
	p.cfg.Remote.Show(p.session.Root())
	return err
}

// tidy removes the local files that the root names, except the newest KeepLocal, and the
// files beside them.
func (p *Pusher) tidy(ctx context.Context, k kind, folder durable.FS) error {
	here, err := local(folder)
	if err != nil {
		return err
	}
	var both []root.File
	for _, f := range *k.of(p.session.Root()) {
		if here[f.Name] {
			both = append(both, f)
		}
	}
	slices.SortFunc(both, func(a, b root.File) int { return strings.Compare(a.Name, b.Name) })
	both = both[:max(0, len(both)-p.cfg.KeepLocal)]
	for i := range both {
		if err := p.removeLocal(ctx, folder, &both[i], here); err != nil {
			return fmt.Errorf("removing %s, which is pushed: %w", both[i].Name, err)
		}
	}
	if len(both) == 0 {
		return nil
	}
	return folder.SyncDir(".")
}

func (p *Pusher) removeLocal(ctx context.Context, folder durable.FS, f *root.File, here map[string]bool) error {
	info, err := folder.Stat(f.Name)
	if err != nil {
		return err
	}
	if info.Size() != f.Size {
		return fmt.Errorf("it has %d bytes, in the bucket it has %d: clonecratesio verify tells which is right", info.Size(), f.Size)
	}
	if err := p.writer.Release(f.Name); err != nil { // some systems cannot remove an open file
		return err
	}
	for _, name := range append([]string{f.Name}, names(f.Lists)...) {
		if here[name] {
			err = errors.Join(err, folder.Remove(name))
		}
	}
	return err
}

func names(files []root.File) (names []string) {
	for i := range files {
		names = append(names, files[i].Name)
	}
	return names
}
