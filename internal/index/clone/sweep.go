package clone

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// abandoned is the age at which a lock of git counts as stale: no step of git with an index
// takes that long. It matters for machines that lost power, and with it the record of
// running processes.
const abandoned = time.Hour

// leftovers are what a killed git leaves in its directory: its locks block every later git,
// and its packs may have hundreds of megabytes.
var leftovers = []string{
	"*.lock", "gc.pid", "refs/*/*.lock", "refs/*/*/*.lock", "objects/*.lock", "objects/info/commit-graphs/*.lock",
	"objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/pack/*.lock", "objects/tmp_objdir-*",
}

// sweepLocks removes leftovers. They are not ours: we hold the lock on updates, and the git
// of a killed run holds it too while it lives. Those of a user who runs git here by hand
// are recent, and kept.
func (u *updater) sweepLocks(gitDir string) error {
	killed := u.lock.Killed != durable.Owner{}
	for _, pattern := range leftovers {
		names, err := filepath.Glob(filepath.Join(globEscape(gitDir), filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, name := range names {
			info, err := os.Lstat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if !killed && time.Since(info.ModTime()) < abandoned {
				continue
			}
			u.cfg.Log.Info("removing what a killed git has left", "file", name)
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// globEscape returns a pattern that matches only the path. Windows has neither such names
// nor escapes.
func globEscape(path string) string {
	if os.PathSeparator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// tidyTime limits git's housekeeping.
const tidyTime = 10 * time.Minute

// tidy lets git repack its objects if there are many packs: every fetch adds one, and each
// makes reading slower. Objects without a reference are removed after two weeks. Nothing
// depends on it, so a failure is only logged.
func (u *updater) tidy(ctx context.Context, work *git.Porcelain) {
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	_, err := work.Run(ctx, "-c", "gc.autoPackLimit=30", "-c", "gc.cruftPacks=true", "-c", "gc.pruneExpire=2.weeks.ago", "gc", "--auto", "--quiet")
	if err != nil {
		u.cfg.Log.Warn("git could not tidy up the index; it is still read", "err", err)
	}
}
