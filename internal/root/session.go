package root

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// ErrFenced means that another writer has taken over the lease, so that this one must not
// change anything any more.
var ErrFenced = errors.New("another writer has taken over")

// A Session holds a lease: the right to change the root. Its methods may be called
// concurrently.
type Session struct {
	cfg   Config
	word  string
	epoch int64

	end  context.CancelCauseFunc // ends ctx, and with it the renewal
	ctx  context.Context         // ends with the session; its cause is ErrFenced if it was lost
	done sync.WaitGroup

	mu   sync.Mutex // guards what follows: one change at a time
	last state
}

// Config configures a session.
type Config struct {
	Bucket bucket.Bucket
	Holder
	TTL time.Duration // time after which another writer may take over if the lease is not renewed; default: a minute
	Log *slog.Logger  // default: none
}

const defaultTTL = time.Minute

// Acquire takes a lease, and makes an empty root if there is none. The lease is renewed
// until Release, or until another writer takes over. Errors: *HeldError.
func Acquire(ctx context.Context, cfg Config) (*Session, error) {
	cfg.TTL = cmp.Or(cfg.TTL, defaultTTL)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := cmp.Or(CheckShard(cfg.Shard), checkWord("owner", cfg.Owner), checkWord("id", cfg.ID)); err != nil {
		return nil, err
	}
	s := &Session{cfg: cfg, word: rand.Text()}
	if err := s.acquire(ctx); err != nil {
		return nil, fmt.Errorf("taking the lease of %s: %w", cfg.Bucket, err)
	}
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	s.done.Go(s.renew)
	return s, nil
}

func (s *Session) acquire(ctx context.Context) error {
	err := again(ctx, func() error {
		l, when, err := readLease(ctx, s.cfg.Bucket)
		if err != nil {
			return err
		}
		if s.last, err = readOrNone(ctx, s.cfg.Bucket); err != nil {
			return err
		}
		if err := l.heldAgainst(s.cfg.Holder, time.Now()); err != nil {
			return err
		}
		s.epoch = max(l.Epoch, s.last.root.Epoch) + 1
		l.take(s.cfg.Holder, s.word, s.epoch, time.Now().Add(s.cfg.TTL))
		return l.put(ctx, s.cfg.Bucket, when)
	})
	if err != nil {
		return err
	}
	return s.change(ctx, s.enter)
}

func readOrNone(ctx context.Context, b bucket.Reader) (state, error) {
	last, err := read(ctx, b, "")
	if errors.Is(err, fs.ErrNotExist) {
		return state{root: &Root{Format: Format}}, nil
	}
	return last, err
}

// enter puts the epoch of the session into the root, by which all excluded writers lose
// theirs. A writer that took over meanwhile has a higher epoch.
func (s *Session) enter(r *Root) error {
	for shard, w := range r.Writers {
		if !excludes(s.cfg.Shard, shard) {
			continue
		}
		if w.Epoch > s.epoch {
			return r.fenced()
		}
		if w.Epoch = 0; shard != s.cfg.Shard { // its numbers stay its own
			w.Commit, w.Complete = "", false
		}
		r.Writers[shard] = w
	}
	if r.ID == "" {
		r.ID = rand.Text()
	}
	w := r.Writers[s.cfg.Shard]
	if w.ID != s.cfg.ID {
		w.Bundles, w.Segments = Window{w.Bundles.Next, w.Bundles.Next}, Window{w.Segments.Next, w.Segments.Next}
	}
	w.Epoch, w.ID, w.Owner = s.epoch, s.cfg.ID, s.cfg.Owner
	r.Epoch = max(r.Epoch, s.epoch)
	r.Writers[s.cfg.Shard] = w
	return nil
}

// fenced returns an error that says who has taken over.
func (r *Root) fenced() error {
	owner := "it"
	for _, w := range r.Writers {
		if w.Epoch == r.Epoch && w.Owner != "" {
			owner = w.Owner
		}
	}
	return fencedBy(owner)
}

func fencedBy(owner string) error {
	return fmt.Errorf("%w: %s writes the mirror in the bucket now, since this run did not renew its lease in time, as when a machine sleeps; nothing is lost: what this run has not pushed stays here, and the next one pushes it", ErrFenced, owner)
}

// Root returns the root as this session last saw it. It must not be changed.
func (s *Session) Root() *Root {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.root
}

// Shard returns the shard of the session.
func (s *Session) Shard() string { return s.cfg.Shard }

// Epoch returns the epoch of the session, which no other ever has.
func (s *Session) Epoch() int64 { return s.epoch }

// Writer returns what the root records about this writer.
func (s *Session) Writer() Writer { return s.Root().Writers[s.cfg.Shard] }

// Commit changes the root with change, which may be called several times, each time with a
// new copy of the root, and must only add what is not there. It must not change Lists in
// place. If nothing changes, nothing is written. Errors: ErrFenced; those of change.
func (s *Session) Commit(ctx context.Context, change func(*Root) error) error {
	err := s.change(ctx, func(r *Root) error {
		if r.Writers[s.cfg.Shard].Epoch != s.epoch {
			return r.fenced()
		}
		return change(r)
	})
	if errors.Is(err, ErrFenced) {
		s.end(err)
	}
	return err
}

// change replaces the root by compare-and-swap.
func (s *Session) change(ctx context.Context, change func(*Root) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := true
	err := again(ctx, func() (err error) {
		if !fresh {
			if s.last, err = readOrNone(ctx, s.cfg.Bucket); err != nil {
				return err
			}
		}
		fresh = false
		next, data, err := s.last.next(change)
		if err != nil || data == nil {
			return err
		}
		when := bucket.Absent()
		if s.last.tag != "" {
			when = bucket.Unchanged(s.last.tag)
		}
		body := bucket.Bytes(data)
		body.ContentType, body.CacheControl = "application/json", "no-cache"
		next.tag, err = s.cfg.Bucket.Put(ctx, Name, body, when)
		if err == nil {
			s.last, fresh = next, true
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replacing %s: %w", Name, err)
	}
	return nil
}

// next applies a change and returns the new state and its bytes; nil if nothing changes.
func (s state) next(change func(*Root) error) (state, []byte, error) {
	was := s.root.sorted()
	before, err := was.Append(nil)
	if err != nil {
		return state{}, nil, err
	}
	if err := change(was); err != nil {
		return state{}, nil, err
	}
	after, err := was.Append(nil)
	if err != nil || string(before) == string(after) {
		return state{}, nil, err
	}
	was.Generation, was.Parent, was.Written = s.root.Generation+1, s.sum, time.Now()
	if after, err = was.Append(nil); err != nil {
		return state{}, nil, err
	}
	r, err := Parse(after) // a root that readers would refuse must not be written
	if err != nil {
		return state{}, nil, err
	}
	return state{root: r, sum: bucket.Bytes(after).Checksum}, after, nil
}

// Until returns a context that ends when the session is lost, with ErrFenced as its cause.
func (s *Session) Until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

// Release ends the lease. Its errors are harmless, because the lease expires by itself.
func (s *Session) Release(ctx context.Context) error {
	s.end(context.Canceled)
	s.done.Wait()
	err := again(ctx, func() error {
		l, when, err := readLease(ctx, s.cfg.Bucket)
		if err != nil || l.of(s.word) == nil {
			return err
		}
		l.end(s.word)
		return l.put(ctx, s.cfg.Bucket, when)
	})
	if err != nil {
		return fmt.Errorf("giving the lease of %s back: %w", s.cfg.Bucket, err)
	}
	return nil
}
