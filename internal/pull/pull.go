// Package pull serves what a mirror does not hold yet: a version that is asked for is
// downloaded from upstream, verified by the checksum of its index line, stored durably,
// and then answered. It is a mirror itself, in front of one ([Behind]); nothing above
// knows that there are two.
//
// # What is where
//
// A folder of its own, beside those of the mirror, with a lock of its own, so that a
// sync never waits for a server:
//
//	pulled/.lock             held by the process that pulls
//	pulled/index/se/rd/serde what upstream said of a crate last (linesfile.go)
//	pulled/crates/s/er/serde-1.0.0.crate     crate files, in the shard layout
//	pulled/tmp/              files being written; emptied when it is opened
//
// A crate file gets its name when its bytes are durable, and after the line that names
// it. It is hashed before it is given out, at the latest every ten minutes; one that is
// damaged is fetched again. What the mirror holds by then is removed here (tidy.go), and
// a sync takes from here what it would download ([Local]).
//
// # Lines
//
// What upstream says of a crate is asked for again, under the condition that it is
// something else, when it is older than [Config.MaxAge]. Versions that it adds and yanks
// appear at once; that it names one no longer is for a sync to act upon, where the
// mirror holds it. A checksum of a version whose bytes are held, or were pulled, never
// changes here: a line that says otherwise is not shown, as after a sync that refuses it,
// and told of in the log.
//
// # When upstream is away
//
// Then no client waits. After a failure of the network, or three answers that are none,
// no client's request asks upstream; one at a time, that no client waits for, tries
// whether it is back, after a second and at most after a minute. Meanwhile the lines of
// what is here are served as they were known last, and no others: cargo chooses among
// what can be had. What else is asked for is answered 503, which cargo tries again. If a
// version of a crate is stored here, no client waits for a slow upstream longer than
// [patience].
//
// # Limits
//
// However many clients ask for the same, upstream is asked once, and the download
// continues if they leave. [Config.Concurrent] fetches run at a time, of 4,096 that may
// wait. What upstream refuses is not asked for again for [negative] seconds. 65,536 names
// and as many versions are remembered; the names of all crates pulled are in memory for
// Search, some 60 bytes each.
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
	// Pins returns the checksums of all versions that are held of a crate, by the
	// version.
	Pins(ctx context.Context, name string) (map[string]crate.Checksum, error)
}

// Index is what upstream says of crates: that of an [Upstream], or [Own]. Errors:
// fs.ErrNotExist.
type Index interface {
	Get(ctx context.Context, name string, have sparse.Validator) (sparse.File, error)
}

// Fetcher fetches crate files, by requests without a URL: an [Upstream], or several of
// them (package origins).
type Fetcher interface {
	Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error)
}

// Config of a [Mirror]. Behind and Folder must be given.
type Config struct {
	Behind Behind
	// Folder is pulled/, whose lock the caller holds.
	Folder durable.FS
	// Index and Fetch are upstream. An index that is [Own] is asked again whenever it has
	// moved. If either is nil, upstream is not asked: what was pulled is served.
	Index Index
	Fetch Fetcher
	// MaxAge is how old what upstream said of a crate may be. If 0, a minute.
	MaxAge time.Duration
	// MaxBytes bounds the crate files; those that were not asked for lately go. If 0,
	// nothing does.
	MaxBytes int64
	// Concurrent is how many crate files are fetched at a time. If 0, 32.
	Concurrent int
	Log        *slog.Logger // must not be nil
}

const (
	// negative is how long what upstream refused is not asked for again.
	negative = 10 * time.Second
	// maxWaiting is how many fetches there may be, of lines and of crate files each.
	maxWaiting = 4096
	// patience is how long a client waits for the lines of a crate with a version stored here.
	patience = 3 * time.Second
	// wholeTime bounds one fetch, with all its attempts.
	wholeTime = 10 * time.Minute
)

// Mirror is a mirror with what upstream has. Its methods may be called concurrently.
type Mirror struct {
	Behind
	cfg     Config
	own     *Own // cfg.Index, if it is one
	store   *folder
	log     *slog.Logger
	outage  outage
	metrics *metrics
	names   *names
	abouts  *reader.Abouts

	lineFlights, crateFlights singleflight.Group
	lineCount, crateCount     atomic.Int64
	fetching                  chan struct{} // a token for each fetch of a crate file
	known                     recent.Map[string, knownLines]
	refused                   recent.Map[crate.Key, refusedCrate]
	conflicts                 recent.Map[crate.Key, bool]     // that were told of
	keys                      recent.Map[crate.ID, crate.Key] // which bytes were pulled
	ticks                     atomic.Uint64                   // of the generation
	patience                  time.Duration                   // see the constant

	life    context.Context // ends with Close; downloads continue when their clients leave
	stop    context.CancelFunc
	working sync.WaitGroup
	full    chan struct{} // the folder has become too large
}

// Open takes the folder over.
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

// Close ends fetches under way. Calls of other methods must have returned.
func (m *Mirror) Close() error {
	m.stop()
	m.working.Wait()
	return nil
}

// offline reports whether upstream is never asked.
func (m *Mirror) offline() bool { return m.cfg.Index == nil || m.cfg.Fetch == nil }

// freshFor is how long lines are not asked for again. Who keeps what was made of them
// asks again at the next tick, an eighth of MaxAge later at most.
func (m *Mirror) freshFor() time.Duration { return m.cfg.MaxAge - m.tickEvery() }

func (m *Mirror) tickEvery() time.Duration { return max(m.cfg.MaxAge/8, time.Millisecond) }

// tick makes the generation grow: what upstream says may have changed.
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

// Generation implements reader.Mirror: both its parts grow alone.
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
