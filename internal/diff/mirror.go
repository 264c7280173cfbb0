package diff

import (
	"context"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Mirror is a Side that reads the catalog of a mirror: it holds the current bytes of
// versions. Earlier bytes of a version are not compared. The mirror may be written
// meanwhile.
type Mirror struct{ catalog.Live }

// page is how many rows are read at a time.
const page = 4096

// Versions implements Side.
func (m Mirror) Versions(ctx context.Context) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		var last crate.ID
		for {
			rows, err := m.Page(ctx, last, page)
			if err != nil {
				yield(Version{}, err)
				return
			}
			if len(rows) == 0 {
				return
			}
			last = rows[len(rows)-1].ID
			for len(rows) > 0 {
				n := sameVersion(rows)
				if v, held := current(rows[:n]); held && !yield(v, nil) {
					return
				}
				rows = rows[n:]
			}
		}
	}
}

// sameVersion returns how many rows belong to the version of the first one.
func sameVersion(rows []catalog.Version) int {
	first := Version{Key: rows[0].Key()}
	for n := range rows {
		if v := (Version{Key: rows[n].Key()}); v.compare(&first) != 0 {
			return n
		}
	}
	return len(rows)
}

// current returns the current state of a version from all its rows.
func current(rows []catalog.Version) (_ Version, held bool) {
	now := rows[:0]
	for _, row := range rows {
		if row.SupersededAt.IsZero() {
			now = append(now, row)
		}
	}
	if len(now) == 0 {
		return Version{}, false
	}
	v := catalog.Best(now)
	return Version{Key: v.Key(), Size: v.Size, Listed: v.Listed, Yanked: v.Yanked}, true
}

// Unread implements Side.
func (m Mirror) Unread() int64 { return 0 }

func (m Mirror) point(path string) Point { return Point{Point: path, Mirror: true} }
