package clone

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// keepDays records the days of some commits and of all their ancestors that no recorded day
// leads to. That is the whole history of a full clone, and later only the new part.
func (u *updater) keepDays(ctx context.Context, work *git.Porcelain, repo *repository, tips []string) error {
	had, err := index.KeptDays(ctx, repo.Repository)
	if err != nil {
		return err
	}
	keep := map[string]git.Revision{}
	for _, d := range had {
		keep[d.Date] = d.Revision
	}
	err = repo.EachCommit(ctx, func(rev git.Revision) error {
		// Bounded, because the date comes from outside.
		if y := rev.Time.UTC().Year(); y < 1970 || y >= 2100 {
			return nil
		}
		date := rev.Time.UTC().Format(time.DateOnly)
		if keep[date].Commit == "" || keep[date].Time.Before(rev.Time) {
			keep[date] = rev
		}
		return nil
	}, append(append([]string{"--first-parent"}, tips...), "--not", "--glob="+index.DaysRef+"/*")...)
	if err != nil {
		return err
	}
	thinOut(keep, u.cfg.KeepDays, time.Now())
	if changes := changeDays(had, keep); changes != "" {
		_, err = work.Feed(ctx, changes, "update-ref", "--stdin")
	}
	return err
}

// thinOut keeps the last n days, and of each earlier month the last day. If n is 0, it
// keeps all. The author of a commit sets its date, so a date in the future does not make
// past days older.
func thinOut(keep map[string]git.Revision, n int, now time.Time) {
	if n == 0 || len(keep) == 0 {
		return
	}
	dates := slices.Sorted(maps.Keys(keep))
	newest, _ := time.Parse(time.DateOnly, dates[len(dates)-1])
	if newest.After(now) {
		newest = now.UTC()
	}
	since := newest.AddDate(0, 0, 1-n).Format(time.DateOnly)
	for i, date := range dates[:len(dates)-1] {
		if month := date[:len("2006-01")]; date < since && strings.HasPrefix(dates[i+1], month) {
			delete(keep, date)
		}
	}
}

// changeDays returns the changes from the recorded days to those to keep, as input for "git
// update-ref --stdin".
func changeDays(had []index.Day, keep map[string]git.Revision) string {
	var text strings.Builder
	for _, d := range had {
		if keep[d.Date].Commit == "" {
			fmt.Fprintf(&text, "delete %s/%s %s\n", index.DaysRef, d.Date, d.Commit)
		}
		if keep[d.Date].Commit == d.Commit {
			delete(keep, d.Date)
		}
	}
	for _, date := range slices.Sorted(maps.Keys(keep)) {
		fmt.Fprintf(&text, "update %s/%s %s\n", index.DaysRef, date, keep[date].Commit)
	}
	return text.String()
}
