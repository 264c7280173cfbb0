package cli

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	urfave "github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// nobodyID is a user who owns nothing.
const nobodyID = 65534

// carried makes a small mirror in a folder that others may read.
func carried(t *testing.T, owner int) (dir, url string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "carried-") // t.TempDir is closed to others
	must(t, err)
	t.Cleanup(func() {
		exec.Command("chmod", "-R", "u+w", dir).Run()
		os.RemoveAll(dir)
	})
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chown(dir, owner, -1))
	reg := simreg.New(simreg.Version{Name: "foo", Version: "1.0.0"}, simreg.Version{Name: "foo", Version: "1.1.0"}, simreg.Version{Name: "bar", Version: "0.1.0"})
	server, err := reg.Start(simreg.Options{})
	must(t, err)
	t.Cleanup(server.Close)
	must(t, reg.WriteIndex(filepath.Join(dir, "crates.io-index")))
	wantRun(t, 0, "", DownloadCrates, "download-crates", "-index-dir", dir+"/crates.io-index", "-out", dir+"/crates", "-bundle", "-bundle-mode", "add",
		"-bundles-out", dir+"/bundles", "-manifest", dir+"/manifest.jsonl", "-crates-base-url", server.BaseURL, "-listen", "")
	return dir, server.BaseURL
}

// wantRun runs a program in this process.
func wantRun(t *testing.T, code int, text string, command func(*App) *urfave.Command, args ...string) {
	t.Helper()
	var out bytes.Buffer
	app := &App{program.App{Stdout: &out, Stderr: &out, Dial: simreg.LoopbackOnly}}
	if got := app.Run(command, args); got != code || !strings.Contains(out.String(), text) {
		t.Errorf("%v: exit %d, want %d and %q\n%s", args, got, code, text, out.String())
	}
}

func listOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}))
	return names
}

// wantOther runs the program as a user who may only read: as another user if the test runs as
// root, whom file modes do not stop.
func wantOther(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{"clonecratesio"}, args...), Dir: "/", Env: []string{"HOME=/nonexistent"}}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
	}
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), text) {
		t.Errorf("%v: exit %d (%v), want %d and %q\n%s", args, got, err, code, text, out)
	}
}

// TestK3ReadOnly: commands that verify and show a read-only mirror work, and leave no files.
func TestK3ReadOnly(t *testing.T) {
	dir, _ := carried(t, os.Geteuid())
	must(t, exec.Command("chmod", "-R", "a-w", dir).Run())
	before := listOf(t, dir)
	wantOther(t, 0, "is read-only", "verify", "-mirror", dir)
	wantOther(t, 0, "3 versions hashed", "verify", "-mirror", dir)
	wantOther(t, 3, "", "verify", "-mirror", dir, "-max-duration", "1ns")
	wantOther(t, 0, "3 versions of 2 crates", "status", "-mirror", dir)
	if diff := cmp.Diff(before, listOf(t, dir)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}

	name := filepath.Join(dir, "crates", filepath.FromSlash(crate.ID{Name: "foo", Version: "1.0.0"}.LoosePath()))
	must(t, os.Chmod(name, 0o644))
	data, err := os.ReadFile(name)
	must(t, err)
	data[40] ^= 1
	must(t, os.WriteFile(name, data, 0o644))
	wantOther(t, 4, "damaged: ", "verify", "-mirror", dir)
}

// TestK4RootInAnotherUsersMirror: the owner of a mirror can continue what root began
// there: all files belong to that user.
func TestK4RootInAnotherUsersMirror(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, url := carried(t, nobodyID)
	must(t, os.RemoveAll(dir+"/crates/foo"))
	for _, args := range [][]string{
		{"verify", "-mirror", dir, "-repair", "-crates-base-url", url},
		{"verify", "-mirror", dir},
		{"export", "-mirror", dir, "-static", dir + "/tree", "-public-url", "http://mirror.example"},
		{"sidecars", "-index-dir", dir + "/crates.io-index", "-output-mode", "jsonl", "-jsonl-out", dir + "/side/cars.jsonl"},
		{"extract", "-bundles-dir", dir + "/bundles", "-index-dir", dir + "/crates.io-index", "-out", dir + "/out"},
		{"reindex", "-mirror", dir},
	} {
		wantRun(t, 0, "", Root, append([]string{"clonecratesio"}, args...)...)
	}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != nobodyID && !strings.Contains(path, "crates.io-index") {
			t.Errorf("%s belongs to %d", path, st.Uid)
		}
		return nil
	}))
}
