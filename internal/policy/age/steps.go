package age

import (
	"context"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// stepsSince returns the last known commit at or before a time, and then, oldest first, the
// last commit in each of a number of steps of time since, ending with the opened one. If
// nothing is that old, it begins with the oldest known commit. Known are the history of the
// opened commit, as far as it goes, and the recorded days.
func stepsSince(ctx context.Context, dir string, last index.Revision, since time.Time, steps int) (past []index.Revision, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	gitDir, _ := git.Find(root)
	if gitDir == "" || last.Commit == "" {
		return nil, index.ErrNoPast
	}
	r := &git.Repository{Dir: gitDir}
	known := []string{last.Commit, "--glob=" + index.DaysRef + "/*"}
	err = r.EachCommit(ctx, func(rev index.Revision) error {
		past = append(past, rev)
		return nil
	}, append([]string{"--max-count=1", "--min-age=" + strconv.FormatInt(since.Unix(), 10)}, known...)...)
	if err != nil {
		return nil, err
	}
	// Git lists commits from the last to the first: the first one in each step is its last
	// commit.
	length := max(last.Time.Sub(since)/time.Duration(steps), time.Second)
	var oldest index.Revision
	taken := map[time.Duration]bool{}
	err = r.EachCommit(ctx, func(rev index.Revision) error {
		oldest = rev
		if step := rev.Time.Sub(since) / length; !taken[step] {
			taken[step] = true
			past = append(past, rev)
		}
		return nil
	}, append([]string{"--max-age=" + strconv.FormatInt(since.Unix()+1, 10)}, known...)...)
	if err != nil {
		return nil, err
	}
	if oldest.Commit != "" {
		past = append(past, oldest)
	}
	past = slices.DeleteFunc(past, func(rev index.Revision) bool { return rev.Commit == last.Commit || rev.Time.After(last.Time) })
	slices.SortStableFunc(past, func(a, b index.Revision) int { return a.Time.Compare(b.Time) })
	past = slices.CompactFunc(past, func(a, b index.Revision) bool { return a.Commit == b.Commit })
	return append(past, last), nil
}
