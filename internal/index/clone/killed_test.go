package clone

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// dyingGit puts a git before the real one that does nothing any more after n commands
// that could change something, as if this process had been killed there. It returns
// how many were asked for.
func dyingGit(t *testing.T, n int) (asked func() int) {
	t.Helper()
	real, err := exec.LookPath("git")
	if err != nil {
		t.Skip("there is no git to test with")
	}
	dir := t.TempDir()
	counter := filepath.Join(dir, "asked")
	script := fmt.Sprintf(`#!/bin/sh
case " $* " in
*" update-ref "*|*" fetch "*|*" reset "*|*" config --local clonecratesio"*|*" clone "*)
	echo x >> '%[2]s'
	[ "$(wc -l < '%[2]s')" -le %[3]d ] || exit 1;;
esac
exec '%[1]s' "$@"
`, real, counter, n)
	indextest.WriteFile(t, filepath.Join(dir, "git"), script)
	if err := os.Chmod(filepath.Join(dir, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() int {
		data, err := os.ReadFile(counter)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return len(data) / len("x\n")
	}
}

// TestA23KilledBetweenCommands: an update may be killed between any two commands of
// git's, also one from a commit to another without its history, on the same day; the next
// one resumes.
func TestA23KilledBetweenCommands(t *testing.T) {
	indextest.NeedGit(t) // before the loop, which a test in it that skips would not end
	if runtime.GOOS == "windows" {
		t.Skip("git's place is taken by a shell script")
	}
	tried := []string{"bare", "checkout"}
	if testing.Short() {
		tried = tried[:1]
	}
	for _, kind := range tried {
		died := true
		first, step := durabletest.Every(4, nil)
		for n := first; died && !t.Failed(); n += step {
			t.Run(fmt.Sprintf("%s/%d", kind, n), func(t *testing.T) {
				u := newUpstream(t, "foo 1.0.0")
				kinds[kind](t, u)
				u.Reg.Add(simreg.Version{Name: "foo", Version: "2.0.0"})
				u.Commit()
				u.mustUpdate(nil)
				u.Reg.Add(simreg.Version{Name: "foo", Version: "3.0.0"})
				u.Squash()
				t.Run("killed", func(t *testing.T) {
					asked := dyingGit(t, n)
					_, err := u.update(nil)
					if died = asked() > n; died && err == nil || !died && err != nil {
						t.Fatalf("after %d commands: %v", n, err)
					}
				})
				u.Reg.Add(simreg.Version{Name: "foo", Version: "4.0.0"})
				u.Commit()
				u.mustUpdate(nil)
				u.wantSame()
			})
		}
	}
}
