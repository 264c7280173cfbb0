package flags

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// Store is the bucket of a mirror. If URL is empty, the mirror is only on the disk.
type Store struct{ URL string }

// Flag returns the flag.
func (s *Store) Flag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "store", Usage: usage + "; `URL` is s3://BUCKET/PREFIX, or file:///DIR for a shared folder", Destination: &s.URL}
}

// Check rejects an invalid address.
func (s *Store) Check() error {
	if s.URL != "" && !strings.HasPrefix(s.URL, "s3://") && !strings.HasPrefix(s.URL, "file:///") {
		return Usagef("-store %q is neither s3://BUCKET/PREFIX nor file:///DIR", s.URL)
	}
	return nil
}

// Open opens the bucket. For writing, it rejects a provider that breaks the contract.
func (s *Store) Open(ctx context.Context, readOnly bool, log *slog.Logger) (bucket.Bucket, error) {
	b, err := address.Open(ctx, s.URL, address.Options{ReadOnly: readOnly, Log: log})
	if err != nil {
		return nil, fmt.Errorf("opening -store: %w", err)
	}
	return b, nil
}

// OpenUnseen opens the bucket for reading, without checking that it exists.
func (s *Store) OpenUnseen(ctx context.Context, log *slog.Logger) (bucket.Bucket, error) {
	b, err := address.Open(ctx, s.URL, address.Options{ReadOnly: true, Unseen: true, Log: log})
	if err != nil {
		return nil, fmt.Errorf("opening -store: %w", err)
	}
	return b, nil
}

// ReadInto reads the root of the bucket, and makes d read from the bucket what its folders do
// not have.
func (s *Store) ReadInto(ctx context.Context, d *home.Dirs, log *slog.Logger) error {
	b, err := s.Open(ctx, true, log)
	if err != nil {
		return err
	}
	r, _, err := root.Read(ctx, b, "")
	if err != nil {
		return fmt.Errorf("reading the root of %s: %w", b, err)
	}
	d.Remote = overlay.New(b)
	d.Remote.ReadAhead = true
	d.Remote.Show(r)
	return nil
}

// Push has the flags of commands that fill a bucket.
type Push struct {
	Store
	KeepLocal int
	Every     time.Duration
	lease     time.Duration
	verify    string
}

// Flags returns the flags.
func (p *Push) Flags() []cli.Flag {
	return under(remote,
		p.Flag("push bundles, the index and the catalog to this bucket, and keep only unfinished ones on the disk; implies -bundle"),
		&cli.IntFlag{Name: "keep-local", Usage: "with -store: also keep the newest `N` bundles and segments on the disk", Destination: &p.KeepLocal},
		&cli.DurationFlag{Name: "push-every", Value: time.Hour, Usage: "with -store and -every: push at most this often; each push finishes a bundle", Destination: &p.Every},
		&cli.StringFlag{Name: "push-verify", Value: string(push.VerifyRead), Usage: "`read|head`: with -store, read back and hash each upload, or check only its size", Destination: &p.verify},
		&cli.DurationFlag{Name: "lease", Value: time.Minute, Usage: "with -store: let another machine take over when this one was silent this long", Destination: &p.lease},
	)
}

const minLease = 3 * time.Second

// Check rejects invalid values and combinations.
func (p *Push) Check() error {
	switch {
	case p.KeepLocal < 0:
		return Usagef("-keep-local is %d, want 0 or more", p.KeepLocal)
	case p.Every < 0:
		return Usagef("-push-every is %v, want 0 (after each round) or more", p.Every)
	case p.lease < minLease:
		return Usagef("-lease is %v, want %v or more", p.lease, minLease)
	case p.verify != string(push.VerifyRead) && p.verify != string(push.VerifyHead):
		return Usagef("-push-verify %q is neither read nor head", p.verify)
	}
	return p.Store.Check()
}

// Pusher opens the bucket, and changes cfg so that a mirror opened with it pushes everything
// that is written to the bucket.
func (p *Push) Pusher(ctx context.Context, cfg *home.Config) (*push.Pusher, error) {
	b, err := p.Open(ctx, false, cfg.Log)
	if err != nil {
		return nil, err
	}
	cfg.Dirs.Remote = overlay.New(b)
	cfg.Dirs.Remote.ReadAhead = true
	pusher := push.New(push.Config{
		Bucket: b, Remote: cfg.Dirs.Remote, Dirs: cfg.Dirs, Shard: cfg.Bundles.Shard, Owner: cfg.Owner.Host + ", " + cfg.Dirs.Crates,
		TTL: p.lease, KeepLocal: p.KeepLocal, Verify: push.Verify(p.verify), Log: cfg.Log,
	})
	cfg.Attach, cfg.Bundles.Number, cfg.Bundles.SegmentNumber = pusher.Attach, pusher.Number, pusher.SegmentNumber
	return pusher, nil
}
