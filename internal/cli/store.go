package cli

import (
	"context"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

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
