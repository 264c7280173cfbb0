package extract

import (
	"context"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// overtaken refuses a crate, for which another program stored a file, before Put returns.
type overtaken struct {
	*loose.Store
	put     func()
	id      crate.ID
	refused chan bool
}

func (s *overtaken) Put(ctx context.Context, id crate.ID, body store.Body) (store.Placement, error) {
	at, err := s.Store.Put(ctx, id, body)
	if id == s.id {
		s.put()
		<-s.refused
	}
	return at, err
}

func (s *overtaken) Checkpoint(ctx context.Context) (store.Outcome, error) {
	done, err := s.Store.Checkpoint(ctx)
	if len(done.Refused) > 0 {
		close(s.refused)
	}
	return done, err
}

// The catalog is not told of a crate that a checkpoint refused before its row was there.
func TestRefusedBeforeItIsRecorded(t *testing.T) {
	all := items()
	m := newMedia(t)
	m.write(name, ours(t, all))
	disk := durabletest.NewMem()
	inner, err := loose.Open(disk, loose.Batch)
	must(t, err)
	st := &overtaken{Store: inner, id: all[0].ID, refused: make(chan bool), put: func() {
		must(t, disk.MkdirAll(crate.LooseDir(all[0].ID.Name)))
		must(t, durable.WriteFile(disk, all[0].ID.LoosePath(), []byte("of another program")))
	}}
	c := &recorder{t: t, disk: disk}
	s, err := Run(t.Context(), Config{
		Bundles: m.mem, Names: []string{name}, Store: st, Out: disk, Index: indexOf(t, all), Catalog: c, Interval: time.Millisecond,
	})
	must(t, err)
	wantProblems(t, s, map[Kind]int64{Occupied: 1}, all[0].ID.String())
	for _, v := range c.rows {
		if v.ID == all[0].ID {
			t.Errorf("the catalog has %s", v.ID)
		}
	}
	if len(c.rows) != len(all)-1 {
		t.Errorf("%d rows, want those of the other %d crates", len(c.rows), len(all)-1)
	}
}
