package cli

import (
	"context"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// readFrom has what the root of a bucket names stand behind the folders of cfg.
func readFrom(ctx context.Context, in *flags.Store, cfg *home.Config) (bucket.Bucket, error) {
	b, err := in.Open(ctx, true, cfg.Log)
	if err != nil {
		return nil, err
	}
	r, _, err := root.Read(ctx, b, "")
	if err != nil {
		return nil, fmt.Errorf("reading the root of %s: %w", b, err)
	}
	cfg.Dirs.Remote = overlay.New(b)
	cfg.Dirs.Remote.ReadAhead = true
	cfg.Dirs.Remote.Show(r)
	return b, nil
}

// pushTo has a sync push what it stores.
func pushTo(ctx context.Context, cfg *syncConfig, session *follow.SessionConfig) error {
	b, err := cfg.push.Open(ctx, false, session.Log)
	if err != nil {
		return err
	}
	owner := program.Owner(cfg.Home.Crates)
	remote := overlay.New(b)
	remote.ReadAhead = true
	session.Home.Dirs.Remote = remote
	job := cfg.push.Config(b, fmt.Sprintf("%s, %s", owner.Host, cfg.Home.Crates), session.Log)
	job.Remote, job.Dirs, job.Shard = remote, session.Home.Dirs, cfg.Shard.Shard
	pusher := push.New(job)
	session.Home.Attach, session.Home.Bundles.Number = pusher.Attach, pusher.Number
	session.Push = pusher
	return nil
}
