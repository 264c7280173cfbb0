package gate

import (
	"context"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// An Event is a line of the audit log: what was decided, for which client, and why.
type Event struct {
	Time   time.Time `json:"time"`
	Event  string    `json:"event"`         // one of the constants below
	View   string    `json:"view,omitzero"` // empty: what is served at /
	Client string    `json:"client"`        // token, certificate or address
	Crate  string    `json:"crate"`

	// Fields of a download.
	Version  string          `json:"version,omitzero"`
	Checksum *crate.Checksum `json:"checksum,omitzero"`
	Rule     string          `json:"rule,omitzero"`
	Reason   string          `json:"reason,omitzero"`
	Until    time.Time       `json:"until,omitzero"`
	Waiver   *policy.Waiver  `json:"waiver,omitzero"`

	// Fields of an index file.
	Rules    map[string]int `json:"rules,omitempty"`    // number of lines by rule
	Versions []string       `json:"versions,omitempty"` // the last ones
}

// Events. An index file is made once for many clients: the event names the client that asked
// first.
const (
	EventHidden   = "hidden"   // lines of an index file were left out
	EventWaived   = "waived"   // lines or bytes were served because of a waiver
	EventObserved = "observed" // lines or bytes were served because the rule only observes
	EventRefused  = "refused"  // bytes were not served
	EventLocked   = "locked"   // bytes of a version that the index does not show were served
)

// eventOf returns the event that reports a verdict, or "" if it is not reported.
func eventOf(v *verdict) string {
	switch {
	case v.Visibility == policy.Denied:
		return EventRefused
	case v.Visibility == policy.ResolveOnly:
		return EventLocked
	case v.Waiver != nil:
		return EventWaived
	case v.Observed:
		return EventObserved
	}
	return ""
}

// tellOpened reports the verdict on a crate file that a client asked for.
func (m *Mirror) tellOpened(ctx context.Context, key crate.Key, v verdict) {
	event := eventOf(&v)
	switch event {
	case "":
		return
	case EventRefused, EventLocked:
		m.cfg.Metrics.downloads.WithLabelValues(m.cfg.View, v.Rule, event).Inc()
	case EventWaived:
		m.cfg.Metrics.waived.WithLabelValues(m.cfg.View, v.Rule).Inc()
	case EventObserved:
		m.cfg.Metrics.observed.WithLabelValues(m.cfg.View, v.Rule).Inc()
	}
	m.cfg.Audit.Tell(&Event{
		Event: event, View: m.cfg.View, Client: store.Client(ctx), Crate: key.Name, Version: key.Version, Checksum: &key.Checksum,
		Rule: v.Rule, Reason: v.Reason, Until: v.Until, Waiver: v.Waiver,
	})
}

// maxTold is how many versions one line of the audit log names.
const maxTold = 20

// A tally collects the decisions on one index file.
type tally struct {
	view   string
	events map[string]*Event
}

func (t *tally) add(e *reader.Entry, v *verdict) {
	event := eventOf(v)
	switch event {
	case "":
		return
	case EventRefused, EventLocked:
		event = EventHidden
	}
	if t.events == nil {
		t.events = map[string]*Event{}
	}
	told := t.events[event]
	if told == nil {
		told = &Event{Event: event, View: t.view, Rules: map[string]int{}}
		t.events[event] = told
	}
	told.Rules[v.Rule]++
	if len(told.Versions) == maxTold {
		told.Versions = slices.Delete(told.Versions, 0, 1)
	}
	told.Versions = append(told.Versions, e.Version)
	if v.Waiver != nil {
		told.Waiver = v.Waiver
	}
}

// tellShown reports the decisions on one index file.
func (m *Mirror) tellShown(ctx context.Context, name string, t *tally) {
	for event, told := range t.events {
		counter := m.cfg.Metrics.hidden
		switch event {
		case EventWaived:
			counter = m.cfg.Metrics.waived
		case EventObserved:
			counter = m.cfg.Metrics.observed
		}
		for rule, n := range told.Rules {
			counter.WithLabelValues(m.cfg.View, rule).Add(float64(n))
		}
		told.Client, told.Crate = store.Client(ctx), name
		m.cfg.Audit.Tell(told)
	}
}
