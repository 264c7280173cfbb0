package sidecar

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

func (o *Files) write(b *batch, r *run) error {
	o.kept += b.kept
	o.waiting = append(o.waiting, b.fresh...)
	if len(o.waiting) < commitFiles && o.kept < commitFiles {
		return nil
	}
	return o.commit(r)
}

// finish commits also what a run did that was stopped: each file is whole.
func (o *Files) finish(cause error, r *run) error {
	err := o.commit(r)
	if cause != nil {
		_ = o.clear() // what came too late; the cause is what to tell
	}
	return err
}

// commit makes what is waiting durable, publishes it, and counts it.
func (o *Files) commit(r *run) error {
	batch := o.waiting
	r.cfg.Progress.kept.Add(o.kept)
	o.waiting, o.kept = nil, 0
	if len(batch) == 0 {
		return nil
	}
	if !o.perFile {
		if err := o.fsys.SyncAll(); err != nil {
			return fmt.Errorf("making %d sidecars durable: %w", len(batch), err)
		}
	}
	refused, err := o.publish(batch)
	if err != nil {
		return err
	}
	if err := o.syncNames(batch); err != nil {
		return fmt.Errorf("making the names of %d sidecars durable: %w", len(batch), err)
	}
	r.cfg.Progress.written.Add(int64(len(batch) - len(refused)))
	for _, err := range refused {
		r.problem(err)
	}
	return nil
}

// publish gives every file of the batch its name, in parallel. What stands in
// the way of one is returned; a disk that fails is an error.
func (o *Files) publish(batch []fresh) (refused []error, err error) {
	var mu sync.Mutex
	var g errgroup.Group
	for part := range slices.Chunk(batch, len(batch)/(2*runtime.GOMAXPROCS(0))+1) {
		g.Go(func() error {
			for _, f := range part {
				err := o.publishOne(f)
				if durable.IsBroken(err) {
					return err
				}
				if err != nil {
					mu.Lock()
					refused = append(refused, err)
					mu.Unlock()
				}
			}
			return nil
		})
	}
	err = g.Wait()
	return refused, err
}

func (o *Files) publishOne(f fresh) error {
	err := o.fsys.Replace(f.temp, f.name)
	if errors.Is(err, fs.ErrNotExist) { // the folder, which mostly is there
		if err = o.fsys.MkdirAll(path.Dir(f.name)); err == nil {
			err = o.fsys.Replace(f.temp, f.name)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("publishing %s: %w", f.name, err), o.fsys.Remove(f.temp))
	}
	return nil
}

// syncNames makes the new names durable, and those of folders made for them.
func (o *Files) syncNames(batch []fresh) error {
	if !o.perFile {
		return o.fsys.SyncAll()
	}
	dirs := map[string]bool{".": true}
	for _, f := range batch {
		for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	var err error
	for dir := range maps.Keys(dirs) {
		if e := o.fsys.SyncDir(dir); !errors.Is(e, fs.ErrNotExist) { // what was refused made none
			err = cmp.Or(err, e)
		}
	}
	return err
}
