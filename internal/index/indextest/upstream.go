package indextest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// An Upstream is a registry and its git index.
type Upstream struct {
	T   *testing.T
	Reg *simreg.Registry
	Git string // the bare repository
}

// NewUpstream makes an Upstream with some versions, one "name version" per line, and
// commits them.
func NewUpstream(t *testing.T, versions string) *Upstream {
	t.Helper()
	NeedGit(t)
	// The user's configuration must have no effect.
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	u := &Upstream{t, simreg.New(simreg.MustParse(versions)...), filepath.Join(t.TempDir(), "up.git")}
	u.Commit()
	return u
}

// Commit publishes the current registry, and returns the commit.
func (u *Upstream) Commit() string {
	u.T.Helper()
	return u.must(u.Reg.CommitIndex(u.T.Context(), u.Git, "Update"))
}

// Squash publishes the current registry as a commit without history.
func (u *Upstream) Squash() string {
	u.T.Helper()
	return u.must(u.Reg.Squash(u.T.Context(), u.Git))
}

func (u *Upstream) must(commit string, err error) string {
	u.T.Helper()
	if err != nil {
		u.T.Fatal(err)
	}
	return commit
}
