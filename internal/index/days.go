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

// DaysRef is where the last commit of each day is kept, in UTC: its reference is
// {DaysRef}/YYYY-MM-DD. Upstream squashes its history, and git removes what nothing
// names.
const DaysRef = "refs/clonecratesio/days"

// A Day is one of the days of the index's past that were kept.
type Day struct {
	Date     string // YYYY-MM-DD, UTC
	Revision        // its last commit
}

// Days returns the days that were kept, the oldest first; none of a plain folder.
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

// ErrNoPast is what a plain folder says of its past.
var ErrNoPast = errors.New("a plain folder has no past: a git repository is needed")

// At resolves a point in the past of the index, which is a day, YYYY-MM-DD in UTC, or the
// id of a commit, at least 7 digits of it. Of a day it is the last commit of the last day
// that was kept and is not later; for the day of HEAD's commit, and later days without a
// kept one, HEAD's. Errors: [fs.ErrNotExist] if there is no such commit; ErrNoPast.
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

// On returns what the index was at the end of a day, as At does, given what Days
// has returned. Errors: [fs.ErrNotExist] if the day is before all of these.
func (x *Index) On(kept []Day, date string) (rev Revision, err error) {
	now := x.revision.Time.UTC().Format(time.DateOnly)
	i, found := slices.BinarySearchFunc(kept, date, func(d Day, date string) int { return strings.Compare(d.Date, date) })
	if found {
		i++
	}
	after := i == len(kept) && !found // all that was kept
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

// IsCommit reports whether a point in the past is the id of a commit, or begins one.
func IsCommit(point string) bool { return commitPrefix.MatchString(point) }

// commitPrefix is what begins the id of a commit, and is nothing else to git.
var commitPrefix = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// past finds a commit by the beginning of its id. What nothing names any more but git has
// not removed yet is found too.
func (r *repository) past(ctx context.Context, prefix string) (Revision, error) {
	rev, err := r.Revision(ctx, prefix+"^{commit}")
	if errors.Is(err, git.ErrUnborn) {
		return rev, fmt.Errorf("git has no such commit, or several: %w", fs.ErrNotExist)
	}
	if err == nil && !strings.HasPrefix(rev.Commit, prefix) { // a tag, or a branch of that name
		return Revision{}, fmt.Errorf("it is no commit: %w", fs.ErrNotExist)
	}
	return rev, err
}

// Snapshot returns the index as it was at a commit, which At has found. What is
// read comes from the object store, also where there is a working tree. It need not
// be closed, and is of use no longer than x is open.
func (x *Index) Snapshot(rev Revision) *Index {
	past := *x
	past.source, past.revision = &objectStore{repo: x.repo, commit: rev.Commit}, rev
	return &past
}

// KeptDays returns the days that a repository keeps, the oldest first.
func KeptDays(ctx context.Context, repo *git.Repository) (kept []Day, err error) {
	err = repo.Read(ctx, func(out io.Reader) error {
		for lines := bufio.NewScanner(out); ; {
			if !lines.Scan() {
				return lines.Err()
			}
			fields := strings.Fields(lines.Text())
			if len(fields) != 3 {
				continue // no commit
			}
			unix, err := strconv.ParseInt(fields[2], 10, 64)
			if _, bad := time.Parse(time.DateOnly, fields[0]); err == nil && bad == nil {
				kept = append(kept, Day{fields[0], Revision{Commit: fields[1], Time: time.Unix(unix, 0)}})
			}
		}
	}, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname) %(committerdate:unix)", DaysRef)
	return kept, err // in the order of names, which is that of days
}
