package mirror

import (
	"slices"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
)

// The manifest has a line for each item of a batch, and for nothing else; however many there
// are, one is in memory.
func TestRecordsOfABatch(t *testing.T) {
	var batch []*result
	for i, o := range []outcome{existing, takenOver, downloaded, bookkeeping, deferred, existing} {
		id := crate.ID{Name: "foo", Version: string(rune('0' + i))}
		batch = append(batch, &result{item: plan.Item{ID: id, URL: "https://example.org/foo"}, outcome: o})
	}
	var versions []string
	places := map[*runlog.Record]bool{}
	r := &run{}
	for rec := range r.records(batch) {
		versions = append(versions, rec.Version)
		places[rec] = true
	}
	if want := []string{"0", "2", "5"}; !slices.Equal(versions, want) {
		t.Errorf("lines of versions %q, want %q", versions, want)
	}
	if len(places) != 1 {
		t.Errorf("%d lines are in memory together, want 1", len(places))
	}
	for range r.records(batch) {
		break // a failed write asks for no more
	}
}
