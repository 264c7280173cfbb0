// Package survey shows the effect of policies on a mirror: on one version, on a lock file,
// and on the whole index when one policy replaces another. It changes nothing.
package survey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/age"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A Mirror is an open mirror with a policy. Its methods may be called concurrently.
type Mirror struct {
	View   *reader.View
	Policy *policy.Policy
	// Book says since when versions are in the index. Nil: unknown.
	Book *age.Book
	// Blocks are versions that the operator has blocked by hand, which no policy shows. Nil:
	// none.
	Blocks *blocks.List
	Now    time.Time

	owned bool // we must close View
}

// Open opens a mirror. The caller must call Close.
func Open(ctx context.Context, dirs home.Dirs, p *policy.Policy, now time.Time, log *slog.Logger) (*Mirror, error) {
	view, err := reader.Open(ctx, reader.Config{Dirs: dirs, Log: log})
	if err != nil {
		return nil, err
	}
	m, err := Ask(ctx, view, dirs, p, now, log)
	if err != nil {
		return nil, errors.Join(err, view.Close())
	}
	m.owned = true
	return m, nil
}

// Ask uses a mirror that is open already, and stays open after Close.
func Ask(ctx context.Context, view *reader.View, dirs home.Dirs, p *policy.Policy, now time.Time, log *slog.Logger) (m *Mirror, err error) {
	m = &Mirror{View: view, Policy: p, Now: now}
	if m.Blocks, err = blocks.Folder(dirs.State()).Load(ctx); err != nil {
		return nil, err
	}
	if need := p.Needs().Seen; need > 0 {
		if m.Book, err = age.Open(ctx, dirs.Index, need, log); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Close closes what Open opened.
func (m *Mirror) Close() error {
	var errs []error
	if m.Book != nil {
		errs = append(errs, m.Book.Close())
	}
	if m.owned {
		errs = append(errs, m.View.Close())
	}
	return errors.Join(errs...)
}

// judge judges a version as a server of the mirror does: blocks come first.
func (m *Mirror) judge(ctx context.Context, e *reader.Entry) policy.Decision {
	if d := m.blocked(e); d != nil {
		return *d
	}
	return m.Policy.Judge(m.subject(ctx, e), m.Now)
}

// blocked returns the decision on a version that is blocked by hand, or nil for others.
func (m *Mirror) blocked(e *reader.Entry) *policy.Decision {
	key := e.Key()
	b := m.Blocks.Find(&key)
	if b == nil {
		return nil
	}
	return &policy.Decision{Visibility: policy.Denied, Rule: gate.RuleBlock, Reason: b.Reason, Since: b.Since}
}

// subject returns what is known of a version.
func (m *Mirror) subject(ctx context.Context, e *reader.Entry) *policy.Subject {
	needs := m.Policy.Needs()
	s := &policy.Subject{Key: e.Key(), Yanked: e.Yanked}
	if facts, err := details.ParseFacts(e.Raw); err == nil {
		s.Published = facts.Published()
	}
	if m.Book != nil {
		s.Seen = m.Book.Seen(ctx, s.Key)
	}
	for _, b := range e.Before {
		if b.Until.After(s.Replaced) {
			s.Replaced = b.Until
		}
	}
	if needs.Facts {
		s.Facts = m.facts(ctx, s.Key)
	}
	return s
}

// facts returns the facts of a crate's Cargo.toml; nil: it cannot be read.
func (m *Mirror) facts(ctx context.Context, key crate.Key) *policy.Facts {
	p, err := m.View.About(ctx, key)
	if err != nil {
		return nil
	}
	return &policy.Facts{License: p.License, LicenseFile: p.LicenseFile, Repository: p.Repository}
}

// An Explanation is everything that a policy says about a version.
type Explanation struct {
	crate.ID
	Checksum crate.Checksum   `json:"checksum"`
	Decision policy.Decision  `json:"decision"`
	Rules    []policy.Finding `json:"rules"` // those that find something
	// Published and Seen determine its age, as far as they are known.
	Published time.Time     `json:"pubtime,omitzero"`
	FirstSeen time.Time     `json:"first_seen,omitzero"`
	AbsentAt  time.Time     `json:"absent_at,omitzero"`
	Facts     *policy.Facts `json:"facts,omitempty"`
	Contact   string        `json:"contact,omitempty"`
	Newest    string        `json:"newest_shown,omitempty"` // of the crate
}

// Explain returns what the policy says about a version, which the mirror must hold. Errors:
// [fs.ErrNotExist].
func (m *Mirror) Explain(ctx context.Context, id crate.ID) (*Explanation, error) {
	c, err := m.View.Crate(ctx, id.Name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.Entries, func(e reader.Entry) bool { return e.Version == id.Version })
	if i < 0 {
		return nil, fmt.Errorf("%s: the mirror does not hold it: %w", id, fs.ErrNotExist)
	}
	e := &c.Entries[i]
	s := m.subject(ctx, e)
	x := &Explanation{ID: e.ID, Checksum: e.Checksum, Published: s.Published, FirstSeen: s.Seen.First, AbsentAt: s.Seen.After, Facts: s.Facts, Contact: m.Policy.Contact}
	x.Decision, x.Rules = m.Policy.Explain(s, m.Now)
	if d := m.blocked(e); d != nil {
		x.Decision, x.Rules = *d, slices.Insert(x.Rules, 0, policy.Finding{Decision: *d, Hides: policy.Denied})
	}
	x.Newest = m.newest(ctx, c, "")
	return x, nil
}

// newest returns the newest visible version of a crate: of those that cargo accepts in
// place of a given one, or else of all. Pre-releases and yanked versions do not count.
func (m *Mirror) newest(ctx context.Context, c *reader.Crate, like string) string {
	req, err := semver.ParseReq("^" + like)
	if like == "" || err != nil {
		req = semver.Req{}
	}
	entries := slices.Clone(c.Entries)
	slices.SortFunc(entries, func(a, b reader.Entry) int { return semver.CompareText(b.Version, a.Version) })
	for i := range entries {
		e := &entries[i]
		v, err := semver.Parse(e.Version)
		if err != nil || v.Pre != "" || e.Yanked || !req.Matches(v) {
			continue
		}
		if m.judge(ctx, e).Visibility == policy.Shown {
			return e.Version
		}
	}
	return ""
}
