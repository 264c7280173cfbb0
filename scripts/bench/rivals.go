//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

// A rival is a program that mirrors a stage into a folder.
type rival struct {
	name     string
	commands func(s stage, folder string) ([]*exec.Cmd, error)
}

// besideRivals measures this program and each rival that is installed, by turns: everything
// into an empty folder, nothing new, and one version in a hundred more. Rivals read the index
// from a git repository, except v1.1.0 and get-all-crates, which want a folder.
func (b *bencher) besideRivals() error {
	if err := b.prepare(); err != nil {
		return err
	}
	stop, err := b.startServer()
	if err != nil {
		return err
	}
	defer stop()
	first, err := b.commit(0)
	if err != nil {
		return err
	}
	all := &turns.Row{Name: fmt.Sprintf("%d versions", first.versions), Per: first.versions}
	again := &turns.Row{Name: "nothing new", Per: first.versions}
	more := &turns.Row{Name: "1 % more", Per: b.n / 100}
	for _, r := range b.rivals() {
		folder := b.path(r.name)
		run := func(c *turns.Cost) error { return r.run(c, first, folder) }
		all.Ways = append(all.Ways, &turns.Way{Name: r.name, Run: run, Prepare: func() error {
			return errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700))
		}})
		again.Ways = append(again.Ways, &turns.Way{Name: r.name, Run: run})
		at, now := 0, first
		more.Ways = append(more.Ways, &turns.Way{Name: r.name,
			Prepare: func() (err error) { at++; now, err = b.commit(at); return err },
			Run:     func(c *turns.Cost) error { return r.run(c, now, folder) }})
	}
	rows := []*turns.Row{all, again, more}
	for _, row := range rows {
		if err := row.Measure(b.dir, *rounds); err != nil {
			return err
		}
	}
	turns.Table(os.Stdout, rows)
	return nil
}

// run runs the commands of r in sequence and checks that all files are there.
func (r rival) run(c *turns.Cost, s stage, folder string) error {
	commands, err := r.commands(s, folder)
	if err != nil {
		return err
	}
	for _, cmd := range commands {
		cmd.Dir = folder
		if err := c.Add(cmd); err != nil {
			return err
		}
	}
	if strings.Contains(r.name, bundled) {
		return nil
	}
	n, err := countCrates(folder)
	if err == nil && n != s.versions {
		err = fmt.Errorf("%d of %d crate files are in %s", n, s.versions, folder)
	}
	return err
}

func countCrates(folder string) (n int, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".crate") && d.Type().IsRegular() {
			n++
		}
		return err
	})
	return n, err
}

// commit writes a stage and commits it to the repository of the index.
func (b *bencher) commit(at int) (stage, error) {
	s, err := b.stage(at)
	if err != nil {
		return s, err
	}
	git := func(args ...string) error {
		cmd := exec.Command("git", append([]string{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "--git-dir", b.repository(), "--work-tree", s.index}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	if at == 0 {
		if err := git("init", "--quiet", "--initial-branch", "master"); err != nil {
			return s, err
		}
	}
	// Another way may have made this stage already: then nothing has changed.
	return s, errors.Join(git("add", "--all"), git("commit", "--quiet", "--allow-empty", "--message", "Update crates"))
}

func (b *bencher) repository() string { return b.path("index.git") }

// rivals returns this program and the rivals in PATH, with v1.1.0 from the folder of -v110.
func (b *bencher) rivals() []rival {
	all := []rival{{bundled, b.sync("-bundle")}, {loose, b.sync()}}
	if path, err := exec.LookPath("panamax"); err == nil {
		all = append(all, rival{"panamax", b.panamax(path)})
	}
	if path, err := exec.LookPath("get-all-crates"); err == nil {
		all = append(all, rival{"get-all-crates, sync", b.getAllCrates(path)})
	}
	if path, err := exec.LookPath("romt"); err == nil {
		all = append(all, rival{"romt", b.romt(path)})
	}
	if *v110 != "" {
		all = append(all, rival{"v1.1.0", b.oldest(filepath.Join(*v110, "download-crates"))})
	}
	log.Printf("beside each other: %d programs of panamax, get-all-crates, romt, v1.1.0 and ours twice", len(all))
	return all
}

func (b *bencher) sync(flags ...string) func(stage, string) ([]*exec.Cmd, error) {
	return func(_ stage, folder string) ([]*exec.Cmd, error) {
		args := []string{"sync", "-mirror", folder, "-index-url", "file://" + b.repository(), "-crates-base-url", b.base, "-listen", "", "-log-level", "warn"}
		return []*exec.Cmd{exec.Command(b.program, append(args, flags...)...)}, nil
	}
}

func (b *bencher) panamax(path string) func(stage, string) ([]*exec.Cmd, error) {
	return func(_ stage, folder string) ([]*exec.Cmd, error) {
		config := fmt.Sprintf("[mirror]\nretries = 2\n[crates]\nsync = true\ndownload_threads = 64\nsource = %q\nsource_index = %q\nbase_url = \"http://panamax.example/crates\"\n",
			b.base, "file://"+b.repository())
		return []*exec.Cmd{exec.Command(path, "sync", folder)}, os.WriteFile(filepath.Join(folder, "mirror.toml"), []byte(config), 0o600)
	}
}

// getAllCrates returns a run of the program that scripts/rivals/get-all-crates.sh builds,
// followed by a sync of the disk, as our program syncs by itself.
func (b *bencher) getAllCrates(path string) func(stage, string) ([]*exec.Cmd, error) {
	return func(s stage, folder string) ([]*exec.Cmd, error) {
		get := exec.Command(path, "--index", s.index, "--out", filepath.Join(folder, "crates"))
		get.Env = append(os.Environ(), "CRATES_BASE_URL="+b.base)
		return []*exec.Cmd{get, exec.Command("sync", "-f", folder)}, nil
	}
}

func (b *bencher) romt(path string) func(stage, string) ([]*exec.Cmd, error) {
	return func(_ stage, folder string) ([]*exec.Cmd, error) {
		update := exec.Command(path, "crate", "--crates-url", b.base+"/{crate}/{crate}-{version}.crate", "update")
		if _, err := os.Stat(filepath.Join(folder, "git")); err == nil {
			return []*exec.Cmd{update}, nil
		}
		return []*exec.Cmd{exec.Command(path, "crate", "--index-url", "file://"+b.repository(), "init"), update}, nil
	}
}

func (b *bencher) oldest(path string) func(stage, string) ([]*exec.Cmd, error) {
	return func(s stage, folder string) ([]*exec.Cmd, error) {
		return []*exec.Cmd{exec.Command(path, "-index-dir", s.index, "-out", filepath.Join(folder, "crates"), "-crates-base-url", b.base,
			"-include-yanked", "-listen", "", "-retries", "2")}, nil
	}
}
