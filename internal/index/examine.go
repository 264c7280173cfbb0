package index

import "context"

// examine stops an update to something that is not what comes after what we
// have: a mishap upstream, or somebody who wants to hide what was published.
func (u *updater) examine(ctx context.Context, repo *repository, up Updated) error {
	if u.cfg.AcceptShrink {
		return nil
	}
	if up.After.Time.Before(up.Before.Time) {
		return WentBack("upstream", up.After, "here is", up.Before, "nothing was changed; ask upstream")
	}
	have, err := repo.count(ctx, up.After.Commit)
	if err != nil {
		return err
	}
	if have == 0 {
		return ErrEmpty
	}
	if up.Before.Commit == "" {
		return nil
	}
	had, err := repo.count(ctx, up.Before.Commit)
	if err != nil {
		return err
	}
	return CheckShrink(had-have, had, "crates of the index are gone upstream", "nothing was changed; ask upstream")
}

// count returns how many index files a commit has.
func (r *repository) count(ctx context.Context, commit string) (n int64, err error) {
	for _, err := range r.list(ctx, commit) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}
