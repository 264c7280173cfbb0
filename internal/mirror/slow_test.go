package mirror

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// C29: a disk that takes a minute for a sync is told of after ten seconds, while
// it lasts, and costs nothing.
func TestC29SlowDiskIsToldOf(t *testing.T) {
	for _, tt := range []struct {
		sync time.Duration
		said bool
	}{{time.Minute, true}, {9 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			cfg := Config{Store: sleepy{sync: tt.sync}, Catalog: taker{}, Manifest: taker{}}
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			r := &run{cfg: cfg.withDefaults(), summary: &Summary{}, bundles: ledger{owed: map[string]int{}}}
			var done error
			ended := make(chan struct{})
			go func() { defer close(ended); done = r.commit(t.Context(), []*result{{outcome: existing}}) }()
			time.Sleep(slowDisk)
			synctest.Wait()
			if said := strings.Contains(log.String(), "the disk is slow"); said != tt.said {
				t.Errorf("sync of %v, after %v: %q", tt.sync, slowDisk, &log)
			}
			<-ended
			if done != nil || r.cfg.Progress.Snapshot().Existing != 1 {
				t.Errorf("commit: %v, %+v", done, r.cfg.Progress.Snapshot())
			}
		})
	}
}

// sleepy is a store whose checkpoints take their time.
type sleepy struct {
	store.Store
	sync time.Duration
}

func (s sleepy) Checkpoint(context.Context) (store.Outcome, error) {
	time.Sleep(s.sync)
	return store.Outcome{}, nil
}

// taker takes what a commit writes.
type taker struct{ Catalog }

func (taker) Commit(context.Context, catalog.Batch) error { return nil }

func (taker) Append(iter.Seq[*runlog.Record]) error { return nil }
