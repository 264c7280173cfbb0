package bundled

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// resume resumes an unfinished bundle.
func (o *opening) resume(ctx context.Context, named bundle.Name) error {
	name, p := named.String(), &part{name: named}
	each := func(m bundle.Member) error {
		p.members.add(m)
		return nil
	}
	w, err := bundle.Resume(o.cfg.Folder, name, each)
	if errors.Is(err, durable.ErrLinked) {
		if o.files[name] {
			return o.complete(ctx, named)
		}
		// It may have another hard link, in a snapshot (cp -al).
		if err = durable.Separate(o.cfg.Folder, name+bundle.PartExt); err == nil {
			w, err = bundle.Resume(o.cfg.Folder, name, each)
		}
	}
	switch {
	case errors.As(err, new(*bundle.DamageError)):
		return o.salvage(ctx, name, err)
	case err != nil:
		return err
	}
	if o.files[name] {
		return errors.Join(errBoth(name), w.Close())
	}
	p.Writer = w
	o.cfg.Log.Info("resuming an unfinished bundle", "bundle", name, "crates", p.members.n)
	if o.current != nil {
		o.rotate() // of several, one stays open
	}
	o.current = p
	if o.isFull(p) || named.Shard != o.cfg.Shard { // another run's shard
		o.rotate()
	}
	return o.adopt(ctx, name, p.members.all())
}

// complete finishes a publication that was killed between its two steps. It fails if the
// two names are not the same file.
func (o *opening) complete(ctx context.Context, named bundle.Name) error {
	name := named.String()
	err := bundle.Publish(o.cfg.Folder, name)
	if errors.Is(err, fs.ErrExist) {
		return errBoth(name)
	}
	if err != nil {
		return err
	}
	return o.check(ctx, named)
}

func errBoth(name string) error {
	return fmt.Errorf("%s is there both finished and unfinished: move one of them elsewhere", name)
}

// damagedExt is the suffix of an unfinished bundle that was set aside.
const damagedExt = ".damaged"

// salvage copies the complete members of an unfinished, damaged bundle to the current one,
// and sets the bundle aside. A power failure can damage what was not synced.
func (o *opening) salvage(ctx context.Context, name string, damage error) error {
	f, err := o.cfg.Folder.Open(name + bundle.PartExt)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := bundle.Open(f, info.Size())
	if err != nil {
		return err
	}
	saved := 0
	for m, err := range r.Members() {
		if err != nil {
			continue // known damage
		}
		if err := o.save(ctx, r, m); err != nil {
			return fmt.Errorf("saving %s from %s: %w", m.ID, name, err)
		}
		saved++
	}
	if o.current != nil {
		if err := o.current.Sync(); err != nil {
			return err
		}
		if err := o.adopt(ctx, o.current.name.String(), o.current.members.all()); err != nil {
			return err
		}
	}
	if err := o.cfg.Folder.Publish(name+bundle.PartExt, name+damagedExt); err != nil {
		return err
	}
	o.cfg.Log.Error("an unfinished bundle was damaged: its complete members were copied to another one, the others are downloaded again",
		"saved", saved, "kept_as", name+damagedExt, "err", damage)
	return o.cfg.Folder.SyncDir(".")
}

// save copies a member into the current bundle.
func (o *opening) save(ctx context.Context, r *bundle.Reader, m bundle.Member) error {
	c, err := r.OpenMember(m.Placement)
	if err != nil {
		return err
	}
	defer c.Close()
	if o.current == nil {
		if err := o.begin(); err != nil {
			return err
		}
	}
	p := o.current
	m, err = p.AppendFrom(m.ID, c, m.Size, &m.Checksum)
	if err != nil {
		return err
	}
	p.members.add(m)
	if !o.isFull(p) {
		return nil
	}
	if err := p.Sync(); err != nil {
		return err
	}
	o.rotate()
	return o.adopt(ctx, p.name.String(), p.members.all())
}

// check checks a finished bundle and the files beside it.
func (o *opening) check(ctx context.Context, named bundle.Name) error {
	name := named.String()
	line, listed := o.listed[named]
	described := listed && o.files[line.Manifest] && line.FileSize > 0
	if described && o.known[name] {
		return nil
	}
	sum, members, sound, err := o.read(name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if len(members) == 0 {
		return nil
	}
	if !described && sound {
		o.cfg.Log.Info("bundle has no manifest or catalog line: making them from its members", "bundle", name, "crates", sum.Members)
		if err := o.describe(named, sum, slices.Values(members)); err != nil {
			return err
		}
	}
	return o.adoptAll(ctx, named, sum, members)
}
