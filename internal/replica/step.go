package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// maxWait bounds the time between two steps while something is wrong.
const maxWait = 15 * time.Second

var errSilent = errors.New("the bucket does not answer")

// Follow checks the root until ctx ends: every Interval, and less often while something is
// wrong.
func (r *Replica) Follow(ctx context.Context) {
	wait, told := r.cfg.Interval, ""
	if err := r.State().Err; err != nil {
		told = err.Error()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(jittered(wait)):
		}
		changed, err := r.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if told != "" {
				r.cfg.Log.Info("the bucket is followed again", "bucket", r.cfg.Bucket.String())
			}
			wait, told = r.cfg.Interval, ""
		case err.Error() != told:
			told = err.Error()
			r.cfg.Log.Error("the bucket cannot be followed: serving what was copied before", "bucket", r.cfg.Bucket.String(), "err", err)
			fallthrough
		default:
			wait = min(2*wait, max(maxWait, r.cfg.Interval))
		}
		if changed {
			now := r.State().Root
			r.cfg.Log.Info("the mirror in the bucket has changed", "generation", now.Generation, "bundles", len(now.Bundles), "commit", now.Index.Commit)
		}
	}
}

// jittered randomizes a duration, so that many replicas do not ask at the same time.
func jittered(d time.Duration) time.Duration {
	return d - d/8 + rand.N(d/4+1)
}

// Step requests the root once, and applies a new one. Errors: those of the bucket,
// *download.WrongError, root.ErrFormat, *BackError, *ListError, and those of the folder;
// the replica is then unchanged, or partly updated.
func (r *Replica) Step(ctx context.Context) (changed bool, err error) {
	answered := r.await()
	next, tag, err := root.Read(ctx, r.cfg.Bucket, r.tag)
	answered()
	switch {
	case errors.Is(err, bucket.ErrNotModified):
		err = nil
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("there is no mirror in %s, or none yet: clonecratesio sync -store makes one: %w", r.cfg.Bucket, err)
	case err == nil:
		changed, err = r.takeNext(ctx, next, tag)
	}
	r.note(err)
	return changed, err
}

// await makes State report that the bucket does not answer, if it does not, until answered
// is called.
func (r *Replica) await() (answered func()) {
	said := make(chan struct{})
	timer := time.AfterFunc(r.cfg.Patience, func() {
		defer close(said)
		if now := r.State(); now.Root != nil && now.Err == nil {
			r.cfg.Log.Warn("the bucket does not answer: serving what was copied before", "bucket", r.cfg.Bucket.String(), "for", r.cfg.Patience)
		}
		r.note(errSilent)
	})
	return func() {
		if !timer.Stop() {
			<-said
		}
	}
}

// note records how a step ended.
func (r *Replica) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.state.Err = err; err == nil {
		r.state.Seen, r.state.Behind = now, time.Time{}
	} else if r.state.Behind.IsZero() {
		r.state.Behind = now
	}
}

// A BackError says that the bucket has an older root than the applied one, or the root of
// another mirror.
type BackError struct{ Was, Is *root.Root }

func (e *BackError) Error() string {
	if e.Was.ID != e.Is.ID {
		return fmt.Sprintf("the bucket has another mirror than the one that this replica has taken (%s, not %s): give the replica another folder if that is meant", e.Is.ID, e.Was.ID)
	}
	return fmt.Sprintf("the root of the bucket went back from generation %d to %d: remove the folder of the replica, which is a cache, if that is meant", e.Was.Generation, e.Is.Generation)
}

func (r *Replica) takeNext(ctx context.Context, next *root.Root, tag bucket.Tag) (changed bool, err error) {
	data, err := next.Append(nil)
	if err != nil {
		return false, err
	}
	if was := r.State().Root; was != nil {
		switch {
		case next.ID != was.ID, next.Generation < was.Generation:
			return false, &BackError{was, next}
		case next.Generation == was.Generation && isSame(was, data):
			r.tag = tag
			return false, nil
		case next.Generation == was.Generation:
			return false, &BackError{was, next}
		}
	}
	if err := r.take(ctx, next); err != nil {
		return false, fmt.Errorf("taking generation %d of %s: %w", next.Generation, r.cfg.Bucket, err)
	}
	if err := durable.WriteFile(r.writer.State, rootFile, data); err != nil {
		return false, err
	}
	r.tag = tag
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Root, r.state.Taken = next, time.Now()
	return true, nil
}

func isSame(was *root.Root, data []byte) bool {
	before, err := was.Append(nil)
	return err == nil && string(before) == string(data)
}
