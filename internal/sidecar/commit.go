package sidecar

import "context"

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
		_ = o.batch.Clear() // what came too late; the cause is what to tell
	}
	return err
}

// commit makes what is waiting durable, publishes it, and counts it.
func (o *Files) commit(r *run) error {
	files := o.waiting
	r.cfg.Progress.kept.Add(o.kept)
	o.waiting, o.kept = nil, 0
	if err := o.batch.Commit(context.Background(), files, o.fsys.Replace); err != nil {
		return err
	}
	for _, f := range files {
		if f.Err != nil {
			r.problem(f.Err)
		} else {
			r.cfg.Progress.written.Add(1)
		}
	}
	return nil
}
