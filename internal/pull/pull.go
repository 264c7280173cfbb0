// Package pull serves versions that a mirror does not hold yet: a requested version is
// downloaded from upstream, verified by the checksum of its index line, stored durably, and
// then served. It is a mirror itself, in front of another one ([Behind]); packages above do
// not know that there are two.
//
// # Layout
//
// The files are in a separate folder, beside those of the mirror, with a separate lock, so
// that a sync never waits for a server:
//
//	pulled/.lock             locked by the process that pulls
//	pulled/index/se/rd/serde upstream's last lines of a crate (linesfile.go)
//	pulled/crates/s/er/serde-1.0.0.crate     crate files, in the shard layout
//	pulled/tmp/              files being written; emptied when it is opened
//
// A crate file gets its name once its bytes are durable, and after the line that names it.
// It is hashed before it is served, unless that was done in the last ten minutes; a damaged
// one is downloaded again. Crates that the mirror holds by now are removed here (tidy.go),
// and a sync copies crates from here instead of downloading them ([Local]).
//
// # Lines
//
// Lines older than [Config.MaxAge] are requested again, conditionally. New versions and
// yanks appear immediately; if upstream no longer names a version that the mirror holds, a
// later sync handles that. The checksum of a held or pulled version never changes here: a
// contradicting line is not shown, as after a sync that refuses it, and is logged.
//
// # Outages
//
// If upstream is down, no client waits. After a network failure, or three invalid answers,
// requests of clients no longer ask upstream; single background probes check whether it is
// back, after pauses of a second to a minute. Meanwhile only the last known lines of stored
// versions are served, so that cargo chooses among available versions. Other requests get
// 503, which cargo retries. If a version of a crate is stored here, no client waits for a
// slow upstream longer than [patience].
//
// # Limits
//
// Concurrent requests for the same thing cause one request to upstream, and the download
// continues if the clients leave. [Config.Concurrent] downloads run at a time, and 4,096
// may wait. What upstream refused is not requested again for the time [negative]. 65,536
// names and as many versions are remembered; the names of all pulled crates are in memory
// for Search, some 60 bytes each.
package pull

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Behind is the mirror behind this one: a [reader.View], or [Nothing].
type Behind interface {
	reader.Mirror
	// Pins returns the checksums of all held versions of a crate, by version.
	Pins(ctx context.Context, name string) (map[string]crate.Checksum, error)
}

// Index is upstream's index: that of an [Upstream], or [Own]. Errors: fs.ErrNotExist.
type Index interface {
	Get(ctx context.Context, name string, have sparse.Validator) (sparse.File, error)
}

// Fetcher downloads crate files, for requests without a URL: an [Upstream], or several of
// them (package origins).
type Fetcher interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// Config configures a [Mirror]. Behind and Folder are required.
type Config struct {
	Behind Behind
	// Folder is pulled/; the caller holds its lock.
	Folder durable.FS
	// Index and Fetch are upstream. [Own] is read again whenever it has moved. If either is
	// nil, upstream is not asked, and only pulled crates are served.
	Index Index
	Fetch Fetcher
	// MaxAge is the maximum age of upstream's lines of a crate. If 0, a minute.
	MaxAge time.Duration
	// MaxBytes limits the size of the crate files; the least recently requested ones are
	// removed. If 0, there is no limit.
	MaxBytes int64
	// Concurrent is the number of crate files that are downloaded at a time. If 0, 32.
	Concurrent int
	Log        *slog.Logger // must not be nil
}

const (
	// negative is how long a refused file is not requested again.
	negative = 10 * time.Second
	// maxWaiting limits the number of requests to upstream, for lines and for crate files
	// separately.
	maxWaiting = 4096
	// patience is how long a client waits for the lines of a crate with a version stored here.
	patience = 3 * time.Second
	// wholeTime limits one download, with all its attempts.
	wholeTime = 10 * time.Minute
)

// Mirror is a mirror together with upstream. Its methods may be called concurrently.
type Mirror struct {
	Behind
	cfg     Config
	own     *Own // cfg.Index, if it has this type
	store   *folder
	log     *slog.Logger
	outage  outage
	metrics *metrics
	names   *names
	abouts  *reader.Abouts

	lineFlights, crateFlights singleflight.Group
	lineCount, crateCount     atomic.Int64
	fetching                  chan struct{} // one token for each download of a crate file
	known                     recent.Map[string, knownLines]
	refused                   recent.Map[crate.Key, refusedCrate]
	conflicts                 recent.Map[crate.Key, bool]     // that were logged
	keys                      recent.Map[crate.ID, crate.Key] // which bytes were pulled
	ticks                     atomic.Uint64                   // of the generation
	patience                  time.Duration                   // see the constant

	life    context.Context // ends with Close; downloads continue when their clients leave
	stop    context.CancelFunc
	working sync.WaitGroup
	full    chan struct{} // the folder has become too large
}

// Open opens the mirror and its folder.
func Open(ctx context.Context, cfg Config) (*Mirror, error) {
	cfg.MaxAge, cfg.Concurrent = cmp.Or(cfg.MaxAge, time.Minute), cmp.Or(cfg.Concurrent, 32)
	m := &Mirror{Behind: cfg.Behind, cfg: cfg, log: cfg.Log, names: newNames(), patience: patience, fetching: make(chan struct{}, cfg.Concurrent), full: make(chan struct{}, 1)}
	m.own, _ = cfg.Index.(*Own)
	m.outage.log = cfg.Log
	m.metrics = newMetrics(m)
	var err error
	if m.store, err = openFolder(cfg.Folder); err != nil {
		return nil, fmt.Errorf("opening the folder of what was pulled: %w", err)
	}
	m.life, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.abouts = reader.NewAbouts(m.openHere, cfg.Log)
	for range runtime.GOMAXPROCS(0) {
		m.working.Go(func() { m.abouts.Answer(m.life) })
	}
	m.working.Go(m.tidyAll)
	m.working.Go(m.tick)
	return m, nil
}

// Close ends downloads. Calls of other methods must have returned.
func (m *Mirror) Close() error {
	m.stop()
	m.working.Wait()
	return nil
}

// offline reports whether upstream is never asked.
func (m *Mirror) offline() bool { return m.cfg.Index == nil || m.cfg.Fetch == nil }

// freshFor returns how long lines are not requested again. Callers that cache what they
// made of them ask again at the next tick, at most an eighth of MaxAge later.
func (m *Mirror) freshFor() time.Duration { return m.cfg.MaxAge - m.tickEvery() }

func (m *Mirror) tickEvery() time.Duration { return max(m.cfg.MaxAge/8, time.Millisecond) }

// tick increases the generation, because upstream's lines may have changed.
func (m *Mirror) tick() {
	for ticker := time.NewTicker(m.tickEvery()); ; m.ticks.Add(1) {
		select {
		case <-m.life.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
	}
}

// Generation implements reader.Mirror: both parts of the sum only grow.
func (m *Mirror) Generation() uint64 { return m.Behind.Generation() + m.ticks.Load() }

// Totals implements reader.Mirror.
func (m *Mirror) Totals() reader.Totals {
	t := m.Behind.Totals()
	t.Crates += m.names.added.Load()
	t.Versions += m.store.files.Load()
	t.Bytes += m.store.bytes.Load()
	t.Empty = ""
	return t
}

// About implements reader.Mirror.
func (m *Mirror) About(ctx context.Context, key crate.Key) (cargotoml.Package, error) {
	p, err := m.Behind.About(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return m.abouts.Of(ctx, key)
	}
	return p, err
}
