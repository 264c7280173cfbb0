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

// stepsSince returns the last commit that is known of the past of an index in a directory at
// or before an instant, and what has become of it since in a number of steps, the oldest
// first: of each step of time the last commit, and at the end the one that was opened. Where
// nothing is as old as that it begins with the oldest that is known. What is known are the
// history of the opened commit, as far as it goes, and the days that were kept.
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
	// Git goes from the last commit to the first: the first of each step is its last commit.
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
