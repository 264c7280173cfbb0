package index

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// days is where the last commit of each day is kept, in UTC: its reference is
// days/YYYY-MM-DD. Upstream squashes its history, and git throws away what nothing
// names.
const days = "refs/clonecratesio/days"

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
	kept, err := x.repo.days(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the days that index %s keeps: %w", x.dir, err)
	}
	return kept, nil
}

func (r *repository) days(ctx context.Context) (kept []Day, err error) {
	err = r.read(ctx, func(out io.Reader) error {
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
				kept = append(kept, Day{fields[0], Revision{fields[1], time.Unix(unix, 0)}})
			}
		}
	}, "for-each-ref", "--format=%(refname:lstrip=3) %(objectname) %(committerdate:unix)", days)
	return kept, err // in the order of names, which is that of days
}

// keepDays keeps the days of some commits and of all before them: those that no
// kept day leads to. That is the whole history of a clone that comes with one, and
// later what is new.
func (u *updater) keepDays(ctx context.Context, work *porcelain, repo *repository, tips []string) error {
	had, err := repo.days(ctx)
	if err != nil {
		return err
	}
	keep := map[string]Revision{}
	for _, d := range had {
		keep[d.Date] = d.Revision
	}
	err = repo.eachCommit(ctx, func(rev Revision) error {
		// Bounded, because it comes from outside.
		if y := rev.Time.UTC().Year(); y < 1970 || y >= 2100 {
			return nil
		}
		date := rev.Time.UTC().Format(time.DateOnly)
		if keep[date].Commit == "" || keep[date].Time.Before(rev.Time) {
			keep[date] = rev
		}
		return nil
	}, append(append([]string{"--first-parent"}, tips...), "--not", "--glob="+days+"/*")...)
	if err != nil {
		return err
	}
	thinOut(keep, u.cfg.KeepDays)
	if changes := changeDays(had, keep); changes != "" {
		_, err = work.feed(ctx, changes, "update-ref", "--stdin")
	}
	return err
}

// thinOut leaves the last n days, and of each month before them the last day. If n
// is 0, it leaves all.
func thinOut(keep map[string]Revision, n int) {
	if n == 0 || len(keep) == 0 {
		return
	}
	dates := slices.Sorted(maps.Keys(keep))
	newest, _ := time.Parse(time.DateOnly, dates[len(dates)-1])
	since := newest.AddDate(0, 0, 1-n).Format(time.DateOnly)
	for i, date := range dates[:len(dates)-1] {
		if month := date[:len("2006-01")]; date < since && strings.HasPrefix(dates[i+1], month) {
			delete(keep, date)
		}
	}
}

// changeDays is what makes the days that were kept those that are to be, in the
// language of "git update-ref --stdin".
func changeDays(had []Day, keep map[string]Revision) string {
	var text strings.Builder
	for _, d := range had {
		if keep[d.Date].Commit == "" {
			fmt.Fprintf(&text, "delete %s/%s %s\n", days, d.Date, d.Commit)
		}
		if keep[d.Date].Commit == d.Commit {
			delete(keep, d.Date)
		}
	}
	for _, date := range slices.Sorted(maps.Keys(keep)) {
		fmt.Fprintf(&text, "update %s/%s %s\n", days, date, keep[date].Commit)
	}
	return text.String()
}
