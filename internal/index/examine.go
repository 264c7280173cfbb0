package index

import (
	"context"
	"errors"
	"fmt"
)

// maxShrink is the share of crates, in percent, that may vanish from an index
// between two updates. A real index loses a few a day; a mishap loses half.
const maxShrink = 5

var errEmpty = errors.New("upstream has no crate in it: is it an index? Accept an empty one with -accept-shrink")

// examine stops an update to something that is not what comes after what we
// have: a mishap upstream, or somebody who wants to hide what was published.
func (u *updater) examine(ctx context.Context, repo *repository, up Updated) error {
	if u.cfg.AcceptShrink {
		return nil
	}
	if up.After.Time.Before(up.Before.Time) {
		return fmt.Errorf("upstream went back in time: it has commit %v, here is %v; nothing was changed, accept it with -accept-shrink", up.After, up.Before)
	}
	have, err := repo.count(ctx, up.After.Commit)
	if err != nil {
		return err
	}
	if have == 0 {
		return errEmpty
	}
	if up.Before.Commit == "" {
		return nil
	}
	had, err := repo.count(ctx, up.Before.Commit)
	if err != nil {
		return err
	}
	if lost := had - have; lost*100 > had*maxShrink {
		return fmt.Errorf("upstream has %d crates, here are %d: more than %d %% are gone; nothing was changed, accept it with -accept-shrink", have, had, maxShrink)
	}
	return nil
}

// count returns how many index files a commit has.
func (r *repository) count(ctx context.Context, commit string) (n int, err error) {
	for _, err := range r.list(ctx, commit) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}
