// Package gate decides which versions of a mirror its users see. Versions that an operator
// blocked (package blocks), or that a policy hides (package policy), are neither listed nor
// served. The mirror itself keeps everything.
//
// # What is shown
//
// A [Mirror] shows the mirror behind it without what is hidden: the lines of a crate, now and
// in the past, and crate files, whatever the name or checksum in the request. The lines that
// it shows are those of the mirror behind it, byte for byte and in the same order. It can only
// hide, never add.
//
// Asking for a crate whose lines are all hidden fails with a [Refusal] that says why. Cargo is
// told 404, the only refusal of an index file that it accepts, so for cargo the crate does not
// exist. A refused crate file gets 403: cargo shows its text and does not try again.
//
// # When
//
// The policy is evaluated for each answer, at that time. [reader.Crate.Until] is the time at
// which the answer will change by itself, and Generation grows when the policy or the blocks
// change, so a cache of answers can tell when one is stale.
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
	View   string // name of the view, for metrics and the audit log; empty: what is served at /
	Behind reader.Mirror
	Blocks *blocks.Watch // nil: nothing is blocked
	Policy *Source       // nil: there is no policy
	// Seen returns when the index first named a version with its checksum. If nil, that is
	// unknown.
	Seen  func(ctx context.Context, key crate.Key) policy.Seen
	Audit *Audit // nil: decisions are not logged
	// Metrics counts the decisions. If nil, they are not counted.
	Metrics *Metrics
	// Locked also shows versions that are hidden from resolution alone: it is for builds that
	// have a lock file and resolve nothing.
	Locked bool
	Clock  func() time.Time // if nil, time.Now
}

// A Mirror shows the part of a mirror that its operator allows. Its methods may be called
// concurrently.
type Mirror struct {
	reader.Mirror // the mirror behind
	cfg           Config
	generation    atomic.Uint64
	decided       recent.Map[crate.Checksum, verdict]
	known         recent.Map[crate.Checksum, *policy.Facts]
}

// New returns the mirror that cfg describes. Call [Mirror.Changed] after each change of the
// policy or the blocks.
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

// Changed invalidates earlier decisions. Call it when the policy or the blocks have changed.
func (m *Mirror) Changed() { m.generation.Add(1) }

// Generation returns a number that grows with each change of the mirror behind, of the policy
// or of the blocks: the sum of two numbers that never shrink.
func (m *Mirror) Generation() uint64 { return m.Mirror.Generation() + m.generation.Load() }

// Crate returns the visible part of a crate. Errors: those of the mirror behind; *Refusal.
func (m *Mirror) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	c, err := m.Mirror.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	return m.show(ctx, c, nil)
}

// CrateAt returns the visible part of a crate at a commit, judged as of now: a version that
// was yanked since then counts as yanked. Errors: as Crate.
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

// yankedNow returns the versions of a crate that are yanked now, if the policy asks for that.
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

// Open opens a crate file that may be served. It finds the file and decides before it opens
// it, so that a refused file is not downloaded or rebuilt first. Errors: those of the mirror
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

// Find returns the key of the bytes that Open would open. Errors: as Open.
func (m *Mirror) Find(ctx context.Context, id crate.ID) (crate.Key, error) {
	key, err := m.Mirror.Find(ctx, id)
	if err == nil {
		err = m.mayOpen(ctx, key)
	}
	return key, err
}

// OpenBytes opens bytes that may be served. Errors: as Open.
func (m *Mirror) OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error) {
	if err := m.mayOpen(ctx, key); err != nil {
		return nil, err
	}
	f, err := m.Mirror.OpenBytes(ctx, key)
	if err != nil || f.ID == key.ID {
		return f, err
	}
	// The name in the request was spelled differently.
	if err := m.mayOpen(ctx, crate.Key{ID: f.ID, Checksum: f.Checksum}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// mayOpen returns a *Refusal if the bytes must not be served.
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

// ofBytes decides on bytes. The index line that names them has what the policy needs.
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
	if ctx.Err() != nil { // do not remember: the facts may be known to the next client
		return v, context.Cause(ctx)
	}
	v.of, v.generation = key, generation
	m.decided.Put(key.Checksum, v)
	return v, nil
}

// find returns the line that names the bytes of key, or nil if there is none.
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
