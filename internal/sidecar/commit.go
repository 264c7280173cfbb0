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

// finish also commits the work of an interrupted run, because each file is complete.
func (o *Files) finish(cause error, r *run) error {
	err := o.commit(r)
	if cause != nil {
		_ = o.batch.Clear() // what came too late; the cause is the error to report
	}
	return err
}

// commit makes the waiting files durable, publishes them and counts them.
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
