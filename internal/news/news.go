// Package news follows new versions: when they were published, when the mirror held them,
// and when it showed them.
//
//   - [Between] lists the versions that one commit of the index has and another lacks.
//   - [Arrivals] waits until they are held, or shown, and reports the time since their
//     publication to [Lags]. A [Follower] of rounds has one, and so does a server.
//   - [Watch] looks for them in a served mirror, and maintains their [Feed], for
//     mirrors of the mirror.
//
// # Limits
//
// The package waits for 65,536 versions, for at most a day. It remembers 512 lags, besides
// the histogram; the feed has 5,000 items. If a mirror gets more versions at once than
// expected, as one that is being filled does, the feed says within a minute that it has a
// gap, and its readers ask for everything. Times from an index are trusted from a week in
// the past to five minutes in the future; others are counted, but not measured.
package news

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

// A Version is a version that an index has begun to name.
type Version struct {
	crate.Key
	Published time.Time
}

// maxFiles bounds the files of two commits that are compared: more files are not news.
const maxFiles = 10_000

// ErrMany means that too many versions are new to list them.
var ErrMany = errors.New("too much of the index is new to list it")

// Between calls fn for the versions that an index names at one commit but not at an earlier
// one. Their time of publication is from their lines, or else the time of the commit.
// Errors: ErrMany; those of [index.Index.Differences].
func Between(ctx context.Context, ix *index.Index, from, to index.Revision, fn func(Version)) error {
	files := 0
	for d, err := range ix.Differences(ctx, from, to) {
		if err != nil {
			return err
		}
		if files++; files > maxFiles {
			return fmt.Errorf("from %.12s to %.12s: %w", from.Commit, to.Commit, ErrMany)
		}
		if d.After == nil {
			continue
		}
		known := map[crate.Key]bool{}
		if d.Before != nil {
			for i := range d.Before.Entries {
				known[keyOf(&d.Before.Entries[i])] = true
			}
		}
		for i := range d.After.Entries {
			if e := &d.After.Entries[i]; !known[keyOf(e)] {
				fn(Version{keyOf(e), published(e, to.Time)})
			}
		}
	}
	return nil
}

func keyOf(e *index.Entry) crate.Key { return crate.Key{ID: e.ID, Checksum: e.Checksum} }

// published returns the time of publication from a line, or else the time of the commit.
func published(e *index.Entry, committed time.Time) time.Time {
	facts, err := details.ParseFacts(e.Raw)
	if at := facts.Published(); err == nil && !at.IsZero() {
		return at
	}
	return committed
}
