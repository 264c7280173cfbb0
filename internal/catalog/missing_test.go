package catalog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func missingOf(t *testing.T, c *Catalog) (list []string) {
	t.Helper()
	for m, err := range c.Missing(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m.String()+" "+m.Reason+" "+m.Since.Format("15:04")+" "+m.Tried.Format("15:04"))
	}
	return list
}

// A missing version stays missing until it is held or refused, or its crate is complete or
// gone.
func TestMissing(t *testing.T) {
	path := t.TempDir() + "/catalog.db"
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	commit := func(b Batch) {
		t.Helper()
		if err := c.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	at := func(hour int) time.Time { return time.Date(2026, 11, 28, hour, 0, 0, 0, time.UTC) }
	lost := func(hour int, reason string, ids ...string) (list []Missing) {
		for _, id := range ids {
			name, version, _ := strings.Cut(id, " ")
			list = append(list, Missing{ID: crate.ID{Name: name, Version: version}, Reason: reason, Since: at(hour), Tried: at(hour)})
		}
		return list
	}
	commit(Batch{Missing: lost(1, "503", "held 1.0.0", "gone 1.0.0", "done ?", "vanished 1.0.0", "stays 1.0.0")})
	commit(Batch{Missing: lost(2, strings.Repeat("ä", MaxReason), "stays 1.0.0")})
	commit(Batch{
		Versions: []Version{{ID: crate.ID{Name: "held", Version: "1.0.0"}, Checksum: crate.Checksum{1}, VerifiedAt: at(3)}},
		Gone:     []Gone{{ID: crate.ID{Name: "gone", Version: "1.0.0"}, Status: 403, Since: at(3)}},
		Crates:   []Crate{{Path: "do/ne/done", Blob: "ab"}, {Path: "st/ay/stays"}},
		Vanished: []string{"va/ni/vanished"},
	})
	want := []string{"stays 1.0.0 " + strings.Repeat("ä", MaxReason/2) + " 01:00 02:00"}
	if diff := cmp.Diff(want, missingOf(t, c)); diff != "" {
		t.Error(diff)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// A later process removes it, too.
	if c, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if missing, gone, err := c.Lacking(t.Context()); missing != 1 || gone != 1 || err != nil {
		t.Errorf("%d missing, %d gone, %v", missing, gone, err)
	}
	commit(Batch{Versions: []Version{{ID: crate.ID{Name: "Stays", Version: "1.0.0"}, Checksum: crate.Checksum{2}, VerifiedAt: at(4)}}})
	if got := missingOf(t, c); len(got) > 0 {
		t.Errorf("missing although it is held: %q", got)
	}
	if oldest, err := c.OldestProof(t.Context()); !oldest.Equal(at(3)) || err != nil {
		t.Errorf("%v, %v", oldest, err)
	}
}

// A catalog of format 6 has no table missing: readers find no rows, and the next writer
// creates it.
func TestMissingOfFormat6(t *testing.T) {
	path := t.TempDir() + "/catalog.db"
	c, err := Open(path)
	if err == nil {
		makeFormat7(t, c)
		_, err = c.db.Exec("DROP TABLE missing; DROP INDEX superseded; PRAGMA user_version = 6")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := Follow(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	err = old.Read(t.Context(), func(c *Catalog) error {
		if got := missingOf(t, c); len(got) > 0 {
			t.Errorf("%q", got)
		}
		return nil
	})
	if err = errors.Join(err, old.Close()); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Commit(t.Context(), Batch{Missing: []Missing{{ID: crate.ID{Name: "a", Version: "1.0.0"}, Reason: "503"}}}); err != nil {
		t.Fatal(err)
	}
	if got := missingOf(t, c); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
