package simreg

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg/rss"
)

// IndexFile stands for a crate's file in the sparse index in [Registry.Inject]. The kinds
// that change the bytes of a response apply to it, and Status. Faults of [All] and Chaos
// only affect crate files.
func IndexFile(name string) crate.ID { return crate.ID{Name: strings.ToLower(name)} }

// indexFault returns the fault for a request for the index file of a crate, or nil.
func (s *script) indexFault(name string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count(s.take(IndexFile(name), false))
}

// serveRSS serves https://static.crates.io/rss/updates.xml.
func (s *Server) serveRSS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/rss+xml")
	var items []rss.Item
	for _, rec := range s.reg.newest() {
		items = append(items, rss.Item{Name: rec.spec.Name, Version: rec.spec.Version, At: rec.published()})
	}
	rss.Write(w, items)
}

func (rec *record) published() time.Time {
	if !rec.spec.PubTime.IsZero() {
		return rec.spec.PubTime
	}
	return rec.added
}

// newest returns all versions, the newest first.
func (r *Registry) newest() []*record {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*record, 0, len(r.records))
	for _, rec := range r.records {
		all = append(all, rec)
	}
	slices.SortFunc(all, func(a, b *record) int {
		return cmp.Or(b.published().Compare(a.published()), compareIDs(a.spec.ID(), b.spec.ID()))
	})
	return all
}
