package cli

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestC1SyncKills kills a sync at random instants, its clone, fetch, reset and downloads
// among them, while upstream publishes: an index that exists can be read, and one
// undisturbed sync at the end has everything.
func TestC1SyncKills(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	for _, form := range durabletest.Sample(1, []string{"", "-checkout"}) {
		t.Run("index"+form, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 1))
			m := newMirrored(t, simreg.Demo())
			up, dir := filepath.Join(m.dir, "up.git"), filepath.Join(m.dir, "m")
			sync := func() (*exec.Cmd, *bytes.Buffer) {
				args := []string{"sync", "-mirror", dir, "-index-url", up, "-crates-base-url", m.server.BaseURL, "-listen", ""}
				if form != "" {
					args = append(args, form)
				}
				cmd, out := exec.Command("clonecratesio", args...), new(bytes.Buffer)
				cmd.Stdout, cmd.Stderr = out, out
				return cmd, out
			}
			for n := range *kills {
				m.reg.Add(simreg.Version{Name: "followed", Version: fmt.Sprintf("1.%d.0", n)})
				commit := m.reg.CommitIndex
				if n%3 == 2 {
					commit = func(ctx context.Context, dir, _ string) (string, error) { return m.reg.Squash(ctx, dir) }
				}
				if _, err := commit(t.Context(), up, "Update"); err != nil {
					t.Fatal(err)
				}
				cmd, out := sync()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(rnd.Int64N(int64(400 * time.Millisecond))))
				cmd.Process.Kill()
				cmd.Wait()
				if err := readable(filepath.Join(dir, "crates.io-index")); err != nil {
					t.Fatalf("kill %d: %v\n%s", n, err, out)
				}
			}
			cmd, out := sync()
			if err := cmd.Run(); err != nil {
				t.Fatalf("after the kills: %v\n%s", err, out)
			}
			head, err := exec.Command("git", "--git-dir", up, "rev-parse", "master").Output()
			if err != nil {
				t.Fatal(err)
			}
			ix, err := index.Open(t.Context(), filepath.Join(dir, "crates.io-index"), index.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer ix.Close()
			if want := string(bytes.TrimSpace(head)); ix.Commit() != want {
				t.Errorf("the index is at %s, want %s", ix.Commit(), want)
			}
			for _, id := range m.reg.IDs() {
				if err := heldWhole(m, filepath.Join(dir, "crates"), id); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// readable checks that all crates of the index can be read, if there is an index.
func readable(dir string) error {
	if found, _ := filepath.Glob(dir); found == nil {
		return nil
	}
	ix, err := index.Open(context.Background(), dir, index.Options{})
	if err != nil {
		return err
	}
	defer ix.Close()
	crates := 0
	for c, err := range ix.Crates(context.Background(), nil) {
		if err != nil {
			return err
		}
		if c.Err != nil || len(c.Bad) > 0 {
			return fmt.Errorf("%s: %v, %v", c.Path, c.Err, c.Bad)
		}
		crates++
	}
	if crates == 0 {
		return fmt.Errorf("%s is empty", dir)
	}
	return nil
}

// heldWhole checks that a crate's file is complete under its final name.
func heldWhole(m *mirrored, out string, id crate.ID) error {
	want, err := m.reg.CrateBytes(id)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(id.LoosePath())))
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%v: %d bytes under the final name are not the crate", id, len(got))
	}
	return err
}
