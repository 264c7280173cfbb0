package plan

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A8: however many versions have other bytes, planning ends.
func TestA8HistoryIsNotReadForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past := &slowPast{}
		p := &planner{cfg: &Config{Source: past, Log: slog.New(slog.DiscardHandler)}, mirrored: catalog.Revision{Commit: "c"}}
		start := time.Now()
		for range 10000 {
			asked := past.asked
			if _, found, err := p.absent(t.Context(), foo1); err != nil || found != (past.asked > asked) {
				t.Fatal(found, err)
			}
		}
		if took := time.Since(start); took > maxLooking+time.Minute || past.asked < 10 {
			t.Errorf("asked %d times, for %v", past.asked, took)
		}
	})
}

// slowPast takes a minute for each answer.
type slowPast struct {
	Index
	asked int
}

func (s *slowPast) AbsentSince(context.Context, crate.ID, string) (index.Revision, bool, error) {
	time.Sleep(time.Minute)
	s.asked++
	return index.Revision{}, true, nil
}
