// Package news follows new versions: when they were published, when the mirror held them,
// and when it showed them.
//
//   - [Between] names the versions that one commit of the index has and another has not.
//   - [Arrivals] waits until they are held, or shown, and tells [Lags] how long that took
//     since they were published. A [Follower] of rounds has one, and a server.
//   - [Watch] looks for them in a mirror that is served, and keeps the [Feed] of them, for
//     mirrors of the mirror.
//
// # Limits
//
// 65,536 versions are waited for, a day at most; 512 lags are remembered, beside the
// histogram; the feed has 5,000 items. If a mirror gets more versions at once than were
// waited for, as one that is being filled does, the feed says within a minute that it has
// a gap, and its readers ask for everything. What an index says of times is believed
// within a week of the past and five minutes of the future; the rest is counted, not
// measured.
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

// A Version is one that an index has begun to name.
type Version struct {
	crate.Key
	Published time.Time
}

// maxFiles is how many files of two commits are compared: more are no news.
const maxFiles = 10_000

// ErrMany says that there is more new than is worth naming.
var ErrMany = errors.New("too much of the index is new to name it")

// Between calls fn for the versions that an index names at one commit of its past and
// did not name at an earlier one. When they were published, their lines say, or else
// the time of the commit. Errors: ErrMany; those of [index.Index.Differences].
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

// published is when a line says that it was published, or else when it was committed.
func published(e *index.Entry, committed time.Time) time.Time {
	facts, err := details.ParseFacts(e.Raw)
	if at := facts.Published(); err == nil && !at.IsZero() {
		return at
	}
	return committed
}
