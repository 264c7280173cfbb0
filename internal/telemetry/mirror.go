package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

var (
	readable     = desc(prefix+"mirror_readable", "Whether the catalog and the quarantine of the mirror could be read: 1, or 0.")
	heldCrates   = desc(prefix+"held_crates", "Crates with at least one version stored.")
	heldVersions = desc(prefix+"held_versions", "Stored versions, including the earlier bytes of versions that were published again.")
	heldBytes    = desc(prefix+"held_bytes", "Bytes of the stored crate files.")
	missing      = desc(prefix+"missing_versions", "Versions that runs could not download, without gone ones: status -missing lists them.")
	missingBytes = desc(prefix+"missing_bytes", "Bytes of the missing versions, estimated by the mean of the stored ones, because the index has no sizes. Absent until a version is stored.")
	goneVersions = desc(prefix+"gone_versions", "Versions in the index that the upstream refuses to send: status -gone lists them.")
	removed      = desc(prefix+"removed_versions", "Stored versions that the index no longer names: status -removed lists them.")
	republished  = desc(prefix+"republished_versions", "Versions that were published again and whose earlier bytes are kept: status -republished lists them.")
	quarantine   = desc(prefix+"quarantine_files", "Files in quarantine, by state: unsettled ones need a decision.", "state")
	bundles      = desc(prefix+"bundles", "Bundles of the mirror, by state: finished, or open for more crates.", "state")
	lastBundle   = desc(prefix+"bundle_last_finished_timestamp_seconds", "When the newest bundle was finished. Absent if there is none.")
	indexCommit  = desc("sync_index_commit_timestamp_seconds", "Time of the last mirrored commit of the index. Absent before the first.")
	indexLag     = desc("sync_index_lag_seconds", "How far the mirrored index is behind the upstream's at the last check, by the times of their commits.")
	coverage     = desc(prefix+"verify_coverage_ratio", "Share of the stored versions that the current sweep of verify has hashed; 1 between sweeps.")
	oldestHash   = desc(prefix+"verify_oldest_hash_timestamp_seconds", "When the stored version that was not hashed for the longest time was last hashed. Absent until a version is stored.")
	lastSweep    = desc(prefix+"verify_last_sweep_timestamp_seconds", "When verify last finished a sweep. Absent before the first.")
	damaged      = desc(prefix+"verify_damaged_versions", "Versions that verify found damaged, missing or unreadable and that are not repaired.")
	diskFree     = desc(prefix+"disk_free_bytes", "Free bytes for the mirror on the disk of a folder.", "folder")
)

// Mirror returns the metrics of what a mirror holds and lacks, and how that was verified. A
// scrape does not read the catalog while the last result is younger than keepFor.
func Mirror(d *home.Dirs, look func() (runstate.State, bool)) Source {
	return &mirror{descriptions: descriptions{
		readable, heldCrates, heldVersions, heldBytes, missing, missingBytes, goneVersions, removed, republished, quarantine,
		bundles, lastBundle, indexCommit, indexLag, coverage, oldestHash, lastSweep, damaged, diskFree,
	}, dirs: d, look: look}
}

type mirror struct {
	descriptions
	dirs *home.Dirs
	look func() (runstate.State, bool)

	mu   sync.Mutex // guards what follows; waiting callers get the result of the current one
	last *facts
	next time.Time // when they are read again
}

// Facts are cached for at least keepFor, and fifty times as long as reading them took, so
// that frequent scrapes of a large mirror cost at most 2 % of a processor.
const (
	keepFor  = 5 * time.Second
	keepMore = 50
)

// patience limits how long a scrape waits for facts.
const patience = 30 * time.Second

func (m *mirror) facts() *facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	if begun := time.Now(); m.last == nil || !begun.Before(m.next) {
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		m.last = read(ctx, m.dirs)
		now := time.Now()
		m.next = now.Add(max(keepFor, keepMore*now.Sub(begun)))
	}
	return m.last
}

// Collect implements prometheus.Collector.
func (m *mirror) Collect(to chan<- prometheus.Metric) {
	ch := sample(to)
	ch.disks(m.dirs)
	f := m.facts()
	ch.flag(readable, f.err == nil)
	if f.err != nil {
		return
	}
	ch.gauge(heldCrates, float64(f.totals.Crates))
	ch.gauge(heldVersions, float64(f.totals.Versions))
	ch.gauge(heldBytes, float64(f.totals.Bytes))
	ch.gauge(missing, float64(f.missing))
	if f.totals.Versions > 0 {
		ch.gauge(missingBytes, float64(f.missing)*float64(f.totals.Bytes)/float64(f.totals.Versions))
	}
	ch.gauge(goneVersions, float64(f.gone))
	ch.gauge(removed, float64(f.totals.Removed))
	ch.gauge(republished, float64(f.totals.Superseded))
	ch.gauge(quarantine, float64(f.unsettled), "unsettled")
	ch.gauge(quarantine, float64(f.settled), "settled")
	ch.gauge(bundles, float64(f.bundles[0]), "finished")
	ch.gauge(bundles, float64(f.bundles[1]), "open")
	ch.time(lastBundle, f.lastBundle)
	ch.time(indexCommit, f.revision.Time)
	if s, ok := m.look(); ok {
		if behind := lag(f.revision.Time, s.UpstreamIndexTime); behind != nil {
			ch.gauge(indexLag, behind.Seconds())
		}
	}
	ch.verified(f)
}

func (ch sample) verified(f *facts) {
	v := &f.verified
	ch.gauge(coverage, f.coverage())
	ch.time(oldestHash, f.oldest)
	ch.time(lastSweep, v.Finished)
	ch.gauge(damaged, float64(len(v.Bad)))
}

// disks sends the free space of the existing folders.
func (ch sample) disks(d *home.Dirs) {
	for name, free := range freeSpace(d) {
		ch.gauge(diskFree, float64(free), name)
	}
}

// freeSpace returns the free bytes on the disks of the existing folders.
func freeSpace(d *home.Dirs) map[string]int64 {
	space := map[string]int64{}
	for name, dir := range map[string]string{"crates": d.Crates, "bundles": d.Bundles, "index": d.Index, "deep": d.DeepOrUsual()} {
		folder, err := durable.Open(dir)
		if err != nil {
			continue
		}
		if free, _, err := folder.Free(); err == nil && free >= 0 {
			space[name] = free
		}
		_ = folder.Close() // nothing was written
	}
	return space
}
