package push

import (
	"context"
	"io"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// setIndex makes a root name the pushed index. If another shard was faster, its index is
// named, and the object of this one is removed by the round after the next.
func setIndex(r *root.Root, was, now *root.Index) {
	switch {
	case now == nil:
	case r.Index.Commit == was.Commit:
		r.Index = *now
	default:
		key := root.Key(root.IndexDir, now.Chain[len(now.Chain)-1].Name)
		if !slices.Contains(r.Superseded, key) {
			r.Superseded = append(r.Superseded, key)
		}
	}
}

// A git bundle of the whole index is pushed again when the chain has this many links, or
// they are larger than this part of the first.
const (
	maxLinks = 64
	maxGrown = 0.5
)

// index pushes the index up to a commit, and returns the root's new entry for it; nil if it
// does not change.
func (p *Pusher) index(ctx context.Context, was *root.Index, commit string) (*root.Index, error) {
	if commit == "" || commit == was.Commit {
		return nil, nil
	}
	var since []string
	if was.Commit != "" && !isLong(was.Chain) {
		since = []string{was.Commit}
	}
	name := root.IndexName(commit, p.session.Epoch())
	if slices.ContainsFunc(was.Chain, func(f root.File) bool { return root.IndexCommit(f.Name) == commit }) {
		return nil, nil // the index went back to an earlier commit: a later commit ends the chain
	}
	temp := durable.TempName(tempDir)
	var header carry.Header
	link, err := p.made(ctx, temp, root.IndexDir, name, func(w io.Writer) (err error) {
		header, err = carry.Write(ctx, p.cfg.Dirs.Index, since, commit, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	chain := []root.File{link}
	if len(header.Since) > 0 {
		chain = append(slices.Clone(was.Chain), link)
	}
	return &root.Index{Branch: indexBranch, Commit: commit, Chain: chain}, nil
}

// indexBranch is the branch in carry's bundles.
const indexBranch = "master"

func isLong(chain []root.File) bool {
	if len(chain) >= maxLinks {
		return true
	}
	var grown int64
	for i := range chain[1:] {
		grown += chain[i+1].Size
	}
	return float64(grown) > maxGrown*float64(chain[0].Size)
}
