package servecli

import (
	"context"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/peer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/fetched"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// replicaInterval is the time between two checks of its folder by a replica's readers. The
// checks of the bucket are a second apart, so little is left of the two seconds within
// which a replica must show what is new.
const replicaInterval = 200 * time.Millisecond

// OpenStore opens the bucket. A replica that has something to serve does so even if the
// bucket cannot be reached.
func (cfg *Config) OpenStore(ctx context.Context, log *slog.Logger) (bucket.Bucket, error) {
	if replica.IsReplica(&cfg.Dirs.Dirs) {
		return cfg.Store.OpenUnseen(ctx, log)
	}
	return cfg.Store.Open(ctx, true, log)
}

// follow makes the folder a replica of the bucket, and updates it while m is open. It sets
// in view how to read it.
func (cfg *Config) follow(ctx context.Context, a *program.App, m *servedMirror, view *reader.Config) error {
	b, err := cfg.OpenStore(ctx, view.Log)
	if err != nil {
		return err
	}
	requests := replica.Count(b)
	m.bucket = requests
	source := overlay.New(requests)
	m.replica, err = replica.Open(ctx, replica.Config{
		Dirs: cfg.Dirs.Dirs, Bucket: requests, Show: source.Show, Owner: program.Owner(cfg.Dirs.Crates), Disk: a.Disk, Log: view.Log,
	})
	if err != nil {
		return err
	}
	m.Add(m.replica.Close)
	m.peers = peer.Bucket{Reader: requests, Taken: func() *root.Root { return m.replica.State().Root }}
	view.Dirs.Remote, view.Interval = source, replicaInterval
	view.Limits.FetchedCache, view.Limits.Fetched = cfg.FetchedCacheGB<<30, fetched.NewMetrics()
	m.metrics = append(append(m.metrics, view.Limits.Fetched), m.replica.Collectors(requests)...)
	m.keep(ctx, m.replica.Follow)
	return nil
}
