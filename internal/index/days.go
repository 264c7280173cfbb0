package index

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// DaysRef is the prefix of references that keep the last commit of each day, in UTC:
// {DaysRef}/YYYY-MM-DD. They are needed because upstream squashes its history, and git
// removes commits without a reference.
const DaysRef = "refs/clonecratesio/days"

// A Day is a recorded day of the index's past.
type Day struct {
	Date     string // YYYY-MM-DD, UTC
	Revision        // its last commit
}

// Days returns the recorded days, the oldest first. A plain folder has none.
func (x *Index) Days(ctx context.Context) ([]Day, error) {
	if x.repo == nil {
		return nil, nil
	}
	kept, err := KeptDays(ctx, x.repo.Repository)
	if err != nil {
		return nil, fmt.Errorf("listing the days that index %s keeps: %w", x.dir, err)
	}
	return kept, nil
}

// ErrNoPast means that a plain folder has no history.
var ErrNoPast = errors.New("a plain folder has no past: a git repository is needed")

// At resolves a point in the past of the index: a day, YYYY-MM-DD in UTC, or at least 7
// digits of the id of a commit. For a day, it returns the last commit of the last recorded
// day that is not later. For the day of HEAD's commit, and for later days without a
// recorded one, it returns HEAD's. Errors: [fs.ErrNotExist] if there is no such commit;
// ErrNoPast.
func (x *Index) At(ctx context.Context, point string) (Revision, error) {
	rev, err := x.at(ctx, point)
	if err != nil {
		return rev, fmt.Errorf("looking for %.40q in the past of index %s: %w", point, x.dir, err)
	}
	return rev, nil
}

func (x *Index) at(ctx context.Context, point string) (rev Revision, err error) {
	if x.repo == nil {
		return rev, ErrNoPast
	}
	if IsCommit(point) {
		return x.repo.past(ctx, point)
	}
	if !IsDay(point) {
		return rev, fmt.Errorf("neither a day, YYYY-MM-DD, nor the id of a commit: %w", fs.ErrNotExist)
	}
	kept, err := KeptDays(ctx, x.repo.Repository)
	if err != nil {
		return rev, err
	}
	return x.On(kept, point)
}

// On returns the revision at the end of a day, as At does; kept is what Days returned.
// Errors: [fs.ErrNotExist] if the day is before all of these.
func (x *Index) On(kept []Day, date string) (rev Revision, err error) {
	now := x.revision.Time.UTC().Format(time.DateOnly)
	i, found := slices.BinarySearchFunc(kept, date, func(d Day, date string) int { return strings.Compare(d.Date, date) })
	if found {
		i++
	}
	after := i == len(kept) && !found // later than all recorded days
	switch {
	case now <= date && (i == 0 || after || kept[i-1].Date <= now):
		return x.revision, nil
	case i > 0:
		return kept[i-1].Revision, nil
	case len(kept) == 0:
		return rev, fmt.Errorf("no day was kept but that of HEAD, %s: %w", now, fs.ErrNotExist)
	}
	return rev, fmt.Errorf("the first day that was kept is %s: %w", kept[0].Date, fs.ErrNotExist)
}

// IsDay reports whether a point in the past is a day.
func IsDay(point string) bool {
	_, err := time.Parse(time.DateOnly, point)
	return err == nil
}

// IsCommit reports whether a point in the past is the id of a commit, or its beginning.
func IsCommit(point string) bool { return commitPrefix.MatchString(point) }

// commitPrefix matches the beginning of the id of a commit, which means nothing else to
// git.
var commitPrefix = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// past finds a commit by the beginning of its id, including commits without a reference
// that git has not removed yet.
func (r *repository) past(ctx context.Context, prefix string) (Revision, error) {
	rev, err := r.Revision(ctx, prefix+"^{commit}")
	if errors.Is(err, git.ErrUnborn) {
		return rev, fmt.Errorf("git has no such commit, or several: %w", fs.ErrNotExist)
	}
	if err == nil && !strings.HasPrefix(rev.Commit, prefix) { // a tag, or a branch with that name
		return Revision{}, fmt.Errorf("it is not a commit: %w", fs.ErrNotExist)
	}
	return rev, err
}

// Snapshot returns the index at a commit that At returned. It reads from the object store,
// even if there is a working tree. It need not be closed, and is usable only while x is
// open.
func (x *Index) Snapshot(rev Revision) *Index {
	past := *x
	past.source, past.revision = &objectStore{repo: x.repo, commit: rev.Commit}, rev
	return &past
}

// KeptDays returns the days that a repository has recorded, the oldest first.
func KeptDays(ctx context.Context, repo *git.Repository) (kept []Day, err error) {
	err = repo.Read(ctx, func(out io.Reader) error {
		for lines := bufio.NewScanner(out); ; {
			if !lines.Scan() {
				return lines.Err()
			}
			fields := strings.Fields(lines.Text())
			if len(fields) != 3 {
				continue // not a commit
			}
			unix, err := strconv.ParseInt(fields[2], 10, 64)
			if _, bad := time.Parse(time.DateOnly, fields[0]); err == nil && bad == nil {
				kept = append(kept, Day{fields[0], Revision{Commit: fields[1], Time: time.Unix(unix, 0)}})
			}
		}
	}, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname) %(committerdate:unix)", DaysRef)
	return kept, err // ordered by name, which is by day
}
