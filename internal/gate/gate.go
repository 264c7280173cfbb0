// Package gate stands between a mirror and the builds that use it: versions that are
// blocked by hand (package blocks), or hidden by a policy (package policy), are neither
// shown nor served. The mirror itself keeps everything.
//
// # What is shown
//
// A [Mirror] shows the mirror behind it without what is hidden: lines of a crate, now and
// in the past, and crate files, under whatever name or checksum they are requested. The
// lines that it shows are those of the mirror behind it, byte for byte and in their order.
// It can only hide, never add.
//
// A crate whose lines are all hidden is a [Refusal] that says why. For cargo there is no
// such crate, since it accepts only 404 for an index file. A refused crate file is 403:
// cargo shows its text and does not try again.
//
// # When
//
// The policy is evaluated for each answer, at that time. [reader.Crate.Until] is when the
// passing of time will change the answer, and Generation grows when the policy or the
// blocks change, so a cache of answers can tell when one is stale.
package gate

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

// Config configures [New]. Only Behind is required.
type Config struct {
	View   string // its name, for metrics and the audit log; empty: what is served at /
	Behind reader.Mirror
	Blocks *blocks.Watch // nil: nothing is blocked
	Policy *Source       // nil: none
	// Seen says when the index began to name a version with its checksum. If nil, that is unknown.
	Seen  func(ctx context.Context, key crate.Key) policy.Seen
	Audit *Audit // nil: none is kept
	// Metrics count the decisions. If nil, they are not counted.
	Metrics *Metrics
	// Locked shows lines, too, of versions that are hidden from resolution alone: for
	// builds that have a lock file and resolve nothing.
	Locked bool
	Clock  func() time.Time // if nil, time.Now
}

// Mirror is a mirror as its operator wants it seen. Its methods may be called
// concurrently.
type Mirror struct {
	reader.Mirror // behind
	cfg           Config
	generation    atomic.Uint64
	decided       recent.Map[crate.Checksum, verdict]
	known         recent.Map[crate.Checksum, *policy.Facts]
}

// New returns what is shown of a mirror. Who changes the policy or the blocks calls
// [Mirror.Changed].
func New(cfg Config) *Mirror {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics()
	}
	return &Mirror{
		Mirror: cfg.Behind, cfg: cfg, decided: recent.Map[crate.Checksum, verdict]{Most: maxDecided}, known: recent.Map[crate.Checksum, *policy.Facts]{Most: maxKnown},
	}
}

// Changed says that the policy, or the blocks, are others.
func (m *Mirror) Changed() { m.generation.Add(1) }

// Generation grows with that of the mirror behind, and with the policy and the blocks:
// the sum of two numbers that never shrink.
func (m *Mirror) Generation() uint64 { return m.Mirror.Generation() + m.generation.Load() }

// Crate returns what is shown of a crate. Errors: those of the mirror behind; *Refusal.
func (m *Mirror) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	c, err := m.Mirror.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	return m.show(ctx, c, nil)
}

// CrateAt returns what is shown of a crate at a commit, judged as of now: also a version
// that was yanked since is one that is yanked. Errors: as Crate.
func (m *Mirror) CrateAt(ctx context.Context, commit, name string) (*reader.Crate, error) {
	c, err := m.Mirror.CrateAt(ctx, commit, name)
	if err != nil {
		return nil, err
	}
	yanked, err := m.yankedNow(ctx, name)
	if err != nil {
		return nil, err
	}
	return m.show(ctx, c, yanked)
}

// yankedNow is what is yanked of a crate, if the policy asks for that.
func (m *Mirror) yankedNow(ctx context.Context, name string) (map[crate.Key]bool, error) {
	if m.cfg.Policy == nil || !m.cfg.Policy.Policy().Needs().Yanked {
		return nil, nil
	}
	c, err := m.Mirror.Crate(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	yanked := map[crate.Key]bool{}
	if c != nil {
		for i := range c.Entries {
			yanked[c.Entries[i].Key()] = c.Entries[i].Yanked
		}
	}
	return yanked, nil
}

// Open opens a crate file that may be given out: it is found, judged, and then opened, so
// that what is refused is not fetched or rebuilt before. Errors: those of the mirror
// behind; *Refusal.
func (m *Mirror) Open(ctx context.Context, id crate.ID) (*reader.File, error) {
	if m.judge() == nil {
		return m.Mirror.Open(ctx, id)
	}
	key, err := m.Mirror.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return m.OpenBytes(ctx, key)
}

// Find returns which bytes Open opens, if it does. Errors: as Open.
func (m *Mirror) Find(ctx context.Context, id crate.ID) (crate.Key, error) {
	key, err := m.Mirror.Find(ctx, id)
	if err == nil {
		err = m.mayOpen(ctx, key)
	}
	return key, err
}

// OpenBytes opens bytes that may be given out. Errors: as Open.
func (m *Mirror) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	if err := m.mayOpen(ctx, key); err != nil {
		return nil, err
	}
	f, err := m.Mirror.OpenBytes(ctx, key)
	if err != nil || f.ID == key.ID {
		return f, err
	}
	// Its name is spelled in another way.
	if err := m.mayOpen(ctx, crate.Key{ID: f.ID, Checksum: f.Checksum}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// mayOpen returns a *Refusal for bytes that are not given out.
func (m *Mirror) mayOpen(ctx context.Context, key crate.Key) error {
	generation := m.Generation() // read before the verdicts, so that they are never older
	judge := m.judge()
	if judge == nil {
		return nil
	}
	v, err := m.ofBytes(ctx, judge, key, generation)
	if err != nil {
		return err
	}
	m.tellOpened(ctx, key, v)
	if v.Visibility == policy.Denied {
		return refuseBytes(key.ID, v)
	}
	return nil
}

// ofBytes decides on bytes, whose line tells what the policy wants to know of them.
func (m *Mirror) ofBytes(ctx context.Context, j *judge, key crate.Key, generation uint64) (verdict, error) {
	now := m.cfg.Clock()
	if v, ok := m.decided.Get(key.Checksum); ok && v.holds(key, generation, now) {
		return v, nil
	}
	e := reader.Entry{Entry: index.Entry{ID: key.ID, Checksum: key.Checksum}}
	if j.policy != nil {
		c, err := m.Mirror.Crate(ctx, key.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return verdict{}, err
		}
		if line := find(c, key); line != nil {
			e = *line
		}
	}
	v := j.entry(ctx, &e, e.Yanked, now)
	if ctx.Err() != nil { // what is not known now is known to the next who asks
		return v, context.Cause(ctx)
	}
	v.of, v.generation = key, generation
	m.decided.Put(key.Checksum, v)
	return v, nil
}

// find returns the line of bytes, nil for none.
func find(c *reader.Crate, key crate.Key) *reader.Entry {
	if c == nil {
		return nil
	}
	for i := range c.Entries {
		if e := &c.Entries[i]; e.Version == key.Version && e.Checksum == key.Checksum && strings.EqualFold(e.Name, key.Name) {
			return e
		}
	}
	return nil
}
