package gate

import (
	"context"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// RuleBlock is the name of a block where policies have names of rules.
const RuleBlock = "block"

// A verdict is the decision on a version.
type verdict struct {
	policy.Decision
	contact string // how to ask for an exception

	of         crate.Key // the bytes, in remembered verdicts
	generation uint64
}

// holds reports whether a remembered verdict is still valid.
func (v *verdict) holds(key crate.Key, generation uint64, now time.Time) bool {
	return v.of == key && v.generation == generation && (v.Next.IsZero() || now.Before(v.Next))
}

// A judge decides by the policy and the blocks of one instant.
type judge struct {
	blocks *blocks.Watch
	policy *policy.Policy // nil: there is no policy
	needs  policy.Needs
	seen   func(context.Context, crate.Key) policy.Seen
	about  func(context.Context, crate.Key) (*policy.Facts, error)
}

// judge returns the judge for now, or nil if everything is shown.
func (m *Mirror) judge() *judge {
	j := &judge{blocks: m.cfg.Blocks, seen: m.cfg.Seen, about: m.facts}
	if m.cfg.Policy != nil {
		j.policy = m.cfg.Policy.Policy()
		j.needs = j.policy.Needs()
	}
	if j.policy == nil && (j.blocks == nil || !j.blocks.Any()) {
		return nil
	}
	return j
}

// entry decides on a version. Blocks come first: no waiver overrides them.
func (j *judge) entry(ctx context.Context, e *reader.Entry, yanked bool, now time.Time) verdict {
	key := e.Key()
	if j.blocks != nil {
		if b := j.blocks.Find(&key); b != nil {
			return verdict{Decision: policy.Decision{Visibility: policy.Denied, Rule: RuleBlock, Reason: b.Reason, Since: b.Since}, contact: j.contact()}
		}
	}
	if j.policy == nil {
		return verdict{}
	}
	s := policy.Subject{Key: key, Yanked: yanked}
	if j.needs.Seen > 0 {
		j.date(ctx, &s, e)
	}
	var err error
	if j.needs.Facts {
		s.Facts, err = j.about(ctx, key)
	}
	v := verdict{Decision: j.policy.Judge(&s, now), contact: j.contact()}
	if again := now.Add(unknownFor); err != nil && (v.Next.IsZero() || again.Before(v.Next)) {
		v.Next = again
	}
	return v
}

// unknownFor is how long facts that could not be read count as unknown.
const unknownFor = time.Minute

// date adds to s when the version was published and first seen.
func (j *judge) date(ctx context.Context, s *policy.Subject, e *reader.Entry) {
	if facts, err := details.ParseFacts(e.Raw); err == nil && len(e.Raw) > 0 {
		s.Published = facts.Published()
	}
	if j.seen != nil {
		s.Seen = j.seen(ctx, s.Key)
	}
	for _, b := range e.Before { // its bytes replaced others
		if b.Checksum != s.Checksum && b.Until.After(s.Replaced) {
			s.Replaced = b.Until
		}
	}
}

func (j *judge) contact() string {
	if j.policy == nil {
		return ""
	}
	return j.policy.Contact
}

// facts returns what a crate says about itself. Reading that from its file is slow and every
// index file needs it for all versions; it is remembered, since it never changes for the same
// bytes.
func (m *Mirror) facts(ctx context.Context, key crate.Key) (*policy.Facts, error) {
	if f, ok := m.known.Get(key.Checksum); ok {
		return f, nil
	}
	p, err := m.Mirror.About(ctx, key)
	if err != nil {
		return nil, err
	}
	f := &policy.Facts{License: p.License, LicenseFile: p.LicenseFile, Repository: p.Repository}
	m.known.Put(key.Checksum, f)
	return f, nil
}

// show returns c without the hidden lines, or c itself if it has none. It does not change c.
// Versions in yanked count as yanked whatever their lines say.
func (m *Mirror) show(ctx context.Context, c *reader.Crate, yanked map[crate.Key]bool) (*reader.Crate, error) {
	j := m.judge()
	if j == nil {
		return c, nil
	}
	now := m.cfg.Clock()
	out := *c
	told := tally{view: m.cfg.View}
	kept := -1 // entries before the first hidden one; -1: none is hidden
	for i := range c.Entries {
		e := &c.Entries[i]
		v := j.entry(ctx, e, e.Yanked || yanked[e.Key()], now)
		if !v.Next.IsZero() && (out.Until.IsZero() || v.Next.Before(out.Until)) {
			out.Until = v.Next
		}
		told.add(e, &v)
		hidden := v.Visibility != policy.Shown && !(m.cfg.Locked && v.Visibility == policy.ResolveOnly)
		switch {
		case hidden && kept < 0:
			kept = i
			out.Entries = append(make([]reader.Entry, 0, len(c.Entries)-1), c.Entries[:i]...)
			fallthrough
		case hidden:
			out.Withheld = append(out.Withheld, withhold(e, &v))
		case kept >= 0:
			out.Entries = append(out.Entries, *e)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.tellShown(ctx, c.Name, &told)
	out.Left += len(out.Withheld)
	if len(out.Entries) == 0 {
		return nil, refuseCrate(&out, j.contact())
	}
	out.Name = out.Entries[len(out.Entries)-1].Name
	return &out, nil
}

func withhold(e *reader.Entry, v *verdict) reader.Withheld {
	return reader.Withheld{Entry: *e, Rule: v.Rule, Why: why(v), Until: v.Until, Downloads: v.Visibility == policy.ResolveOnly}
}

// Limits of what is remembered: verdicts, at some 500 bytes each, and facts, at some 300.
const (
	maxDecided = 1 << 14
	maxKnown   = 1 << 16
)
