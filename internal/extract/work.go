package extract

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// task is a member to store if it has the expected checksum.
type task struct {
	bundle string
	reader *bundle.Reader // where to read the bytes, if not in body; nil: a bundle of v1.1.0
	bundle.Member
	want       crate.Checksum
	yanked     bool             // the index says so
	claims     []crate.Checksum // checksums in the manifest
	later      bool             // a later bundle has the version's current bytes
	superseded bool             // want is of earlier bytes, which are wanted, too
	body       *body            // nil: read it from reader
	stored     bool             // the store has accepted the bytes
}

// round processes what a feed sends.
func (r *run) round(ctx context.Context, b *opened, from feed) error {
	tasks := make(chan task)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(tasks)
		return from(ctx, b, func(t task) error {
			select {
			case tasks <- t:
				return nil
			case <-ctx.Done():
				t.drop()
				return context.Cause(ctx)
			}
		})
	})
	for range workers() {
		g.Go(func() error {
			for t := range tasks {
				if err := r.do(ctx, &t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (t *task) drop() {
	if t.body != nil {
		t.body.drop()
	}
}

// do processes a task. An error ends the run: the disk is full or broken.
func (r *run) do(ctx context.Context, t *task) error {
	there, err := r.look(ctx, t)
	if err == nil && there == same && t.reader != nil { // its bytes in the bundle were hashed when it was met
		t.drop()
		r.cfg.Progress.kept.Add(1)
		return nil
	}
	if err == nil {
		err = r.verified(t)
	}
	if err == nil && t.superseded && t.reader == nil { // which is known since then
		there, err = r.look(ctx, t)
	}
	if err == nil && there == other {
		err = r.makeRoom(ctx, t)
	}
	if err != nil {
		t.drop()
		return r.settle(t, err)
	}
	if there == same {
		t.drop()
		r.cfg.Progress.kept.Add(1)
		return nil
	}
	size := t.body.Size
	if err := t.put(ctx, r.cfg.Store); err != nil {
		return r.settle(t, err)
	}
	t.stored = true
	r.record(t)
	r.cfg.Progress.bytes.Add(size)
	r.countStored()
	return nil
}

// countStored counts a member that the store has taken.
func (r *run) countStored() {
	if r.stored.Add(1)%together != 0 {
		return
	}
	select {
	case r.enough <- struct{}{}:
	default: // one is due already
	}
}

// settle makes a problem of an error, unless it ends the run.
func (r *run) settle(t *task, err error) error {
	if errors.Is(err, errEarlier) {
		return nil
	}
	if p := (*Problem)(nil); errors.As(err, &p) {
		r.problem(*p)
		return nil
	}
	if durable.IsBroken(err) {
		return fmt.Errorf("%q: %s: %w", t.bundle, t.ID, err)
	}
	r.problem(Problem{Failed, t.bundle, t.ID, err})
	return nil
}

func (t *task) problem(k Kind, err error) error { return &Problem{k, t.bundle, t.ID, err} }

// verified returns nil if the task has a body with the expected checksum.
func (r *run) verified(t *task) error {
	if t.body == nil {
		c, err := t.reader.OpenMember(t.Placement)
		if err != nil {
			return t.problem(Damaged, err)
		}
		defer c.Close()
		if c.ID() != t.ID || c.Size() != t.Size {
			return t.problem(Damaged, fmt.Errorf("%sit has changed into %s", where(&t.Member), c.ID()))
		}
		t.body, err = r.read(c, t.Size)
		if errors.As(err, new(*sourceError)) {
			return t.problem(Damaged, err)
		}
		if err != nil {
			return err
		}
	}
	if got := t.body.hash(); got != t.want {
		return r.others(t, got)
	}
	return nil
}

// standing is what has a crate's name.
type standing int

const (
	nothing standing = iota
	same             // the expected bytes
	other            // anything else
)

// look determines what has the name of a task's crate. It trusts neither name nor size.
func (r *run) look(ctx context.Context, t *task) (standing, error) {
	size, err := r.stat(ctx, t)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nothing, nil
	case errors.Is(err, durable.ErrNotRegular), err == nil && size != t.Size:
		return other, nil
	case err != nil:
		return other, err
	}
	f, err := r.cfg.Store.Open(ctx, crate.Key{ID: t.ID}, t.at())
	if err != nil {
		return other, err
	}
	defer f.Close()
	sum, err := hash(f)
	if err != nil {
		return other, fmt.Errorf("reading the existing file: %w", err)
	}
	if sum == t.want {
		r.adoptFile(t)
		r.record(t)
		return same, nil
	}
	return other, nil
}

// makeRoom moves away what has the crate's name, if that is allowed.
func (r *run) makeRoom(ctx context.Context, t *task) error {
	if !r.cfg.Overwrite {
		return t.problem(Occupied, errOccupied(t.ID))
	}
	if done, err := r.shelve(ctx, t); done || err != nil {
		return err
	}
	to, err := r.cfg.Store.Quarantine(t.ID, t.at(), fmt.Sprintf("extracting from %q: the crate's sha256 is %s", t.bundle, t.want))
	if err != nil {
		return err
	}
	r.cfg.Progress.replaced.Add(1)
	r.cfg.Log.Warn("the existing file was not the crate: it was moved to quarantine", "path", t.at().LoosePath(t.ID), "quarantine", to)
	return nil
}

func errOccupied(id crate.ID) error {
	return fmt.Errorf("what stands at %s is not the crate, and stays", id.LoosePath())
}

func hash(f io.Reader) (sum crate.Checksum, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	h := sha256.New()
	_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, *buf)
	h.Sum(sum[:0])
	return sum, err
}
