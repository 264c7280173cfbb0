package extract

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// tasksOf returns a task for each version of a pack, by number. The checksum comes from the
// index, or from the directory with Config.Unverified. A version without a checksum is
// reported, and its task is nil.
func (r *run) tasksOf(ctx context.Context, s *segment, d *deep.Directory) ([]*task, error) {
	of, err := r.pinsOfPack(ctx, s, d)
	if err != nil {
		return nil, err
	}
	tasks := make([]*task, len(d.Versions))
	for n := range d.Versions {
		v := &d.Versions[n]
		w := of[v.ID]
		if !w.known {
			r.problem(Problem{Unknown, s.name, v.ID, fmt.Errorf("it is in the pack at offset %d, but %s", d.Offset, r.silence())})
			continue
		}
		t := &task{
			bundle: s.name, Member: bundle.Member{ID: v.ID, Checksum: v.Checksum, Size: v.Size},
			want: w.sum, yanked: w.yanked, claims: w.claims,
		}
		if v.Checksum != w.sum {
			if err := r.others(t, v.Checksum); err != nil {
				if err = r.settle(t, err); err != nil {
					return nil, err
				}
				continue
			}
		}
		tasks[n] = t
	}
	return tasks, nil
}

// pinsOfPack returns what is known of the versions of a pack. A directory names all bytes
// that a version had: those that are not current are not damage.
func (r *run) pinsOfPack(ctx context.Context, s *segment, d *deep.Directory) (pins, error) {
	of := pins{}
	for n := range d.Versions {
		v := &d.Versions[n]
		w := of[v.ID]
		if w == nil {
			w = new(pin)
			of[v.ID] = w
		}
		w.claim(v.Checksum)
		if s.names == nil { // of several, the last stands
			w.sum, w.known = v.Checksum, r.cfg.Unverified
		}
	}
	if s.names == nil {
		return of, nil
	}
	entries, err := s.entries(ctx, r, d.Name)
	for i := range entries {
		if e := &entries[i]; of[e.ID] != nil {
			of[e.ID].sum, of[e.ID].known, of[e.ID].yanked = e.Checksum, true, e.Yanked
		}
	}
	return of, err
}

// pack extracts a pack. If nothing is missing, it is not rebuilt: its bytes are compared
// with the directory. An error ends the run.
func (r *run) pack(ctx context.Context, s *segment, d *deep.Directory, tasks []*task) error {
	missing, err := r.notThere(ctx, tasks)
	if err != nil {
		return err
	}
	if missing == 0 {
		err = s.reader.Check(ctx, d, deep.Frames, func(int, error) {})
	} else {
		var fatal error
		err = s.reader.RebuildAll(ctx, d, func(n int, data []byte, err error) error {
			if tasks[n] != nil {
				fatal = r.rebuilt(ctx, tasks[n], data, err)
			}
			return fatal
		})
		if fatal != nil {
			return fatal
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		err = fmt.Errorf("a pack of %s, %d of whose %d versions are missing: %w", d.Name, missing, len(d.Versions), unnamed(err))
		r.problem(Problem{Kind: Damaged, Bundle: s.name, Err: err})
	}
	return nil
}

// notThere removes the tasks whose bytes are in the store already, and need no rebuilding.
// It returns how many are left.
func (r *run) notThere(ctx context.Context, tasks []*task) (missing int, err error) {
	for n, t := range tasks {
		if t == nil {
			continue
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		there, err := same, error(nil)
		if !r.waiting.has(t) {
			there, err = r.look(ctx, t)
		}
		switch {
		case err != nil:
			if err := r.settle(t, err); err != nil {
				return 0, err
			}
		case there == same:
			r.cfg.Progress.kept.Add(1)
		default:
			missing++
			continue
		}
		tasks[n] = nil
	}
	return missing, nil
}

// rebuilt stores a rebuilt version, which has the sha256 of the directory.
func (r *run) rebuilt(ctx context.Context, t *task, data []byte, err error) error {
	switch {
	case errors.Is(err, deep.ErrEncoder):
		r.problem(Problem{Failed, t.bundle, t.ID, fmt.Errorf("%w: run a newer one", err)})
		return nil
	case err != nil:
		r.problem(Problem{Damaged, t.bundle, t.ID, unnamed(err)})
		return nil
	}
	sum := t.Checksum
	t.body = &body{Body: store.Body{Data: data, Size: int64(len(data))}, sum: &sum}
	defer r.waiting.lock(t)()
	if r.waiting.has(t) {
		r.cfg.Progress.kept.Add(1)
		return nil
	}
	if err := r.do(ctx, t); err != nil {
		return err
	}
	if t.stored {
		r.waiting.add(t)
	}
	return nil
}

// waiting is what was passed to the store and has no name before the next checkpoint. A
// version may be in several packs: small ones are merged into new ones, and the old are
// garbage. It is stored once.
type waiting struct {
	crates [64]sync.Mutex // by hash of the name: one version of a crate is stored at a time

	mu        sync.Mutex
	now, then map[crate.Key]bool // since the last checkpoint; of the one that is being made
}

// lock waits until no other pack stores versions of the task's crate.
func (w *waiting) lock(t *task) (unlock func()) {
	n := 0
	for _, c := range []byte(t.ID.Name) {
		n = n*31 + int(c)
	}
	mu := &w.crates[uint(n)%uint(len(w.crates))]
	mu.Lock()
	return mu.Unlock
}

func (w *waiting) has(t *task) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now[t.key()] || w.then[t.key()]
}

func (w *waiting) add(t *task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil {
		w.now = map[crate.Key]bool{}
	}
	w.now[t.key()] = true
}

// checkpoint begins one, and what it returns ends it: names are there by then.
func (w *waiting) checkpoint() (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.then, w.now = w.now, nil
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.then = nil
	}
}

func (t *task) key() crate.Key { return crate.Key{ID: t.ID, Checksum: t.want} }
