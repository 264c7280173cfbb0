package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// world is the environment of one trial: a folder and a registry.
type world struct {
	bin, dir string
	reg      *simreg.Registry
	server   *simreg.Server
	base     string // base URL of its crate files
	bundled  bool   // run with -bundle
}

// limit is the longest time for a run that should end by itself.
const limit = 2 * time.Minute

func (w *world) path(names ...string) string {
	return filepath.Join(append([]string{w.dir}, names...)...)
}

func (w *world) close() {
	if w.server != nil {
		w.server.Close()
	}
}

// serve starts a registry and writes its index.
func (w *world) serve(reg *simreg.Registry) (err error) {
	w.reg = reg
	if w.server, err = reg.Start(simreg.Options{}); err != nil {
		return err
	}
	w.base = w.server.BaseURL
	return reg.WriteIndex(w.path("index"))
}

// small returns a registry of n versions with crate files of about size bytes.
func small(n, size int) *simreg.Registry { return simreg.Generate(n, size, 20260) }

// download returns a run of download-crates.
func (w *world) download(args ...string) *exec.Cmd {
	all := []string{"-index-dir", "index", "-out", "out", "-manifest", "manifest.jsonl", "-crates-base-url", w.base,
		"-include-yanked", "-listen", "", "-concurrency", "16"}
	if w.bundled {
		all = append(all, "-bundle", "-bundles-out", "bundles")
	}
	return w.command("download-crates", append(all, args...)...)
}

func (w *world) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(w.bin, program), args...)
	cmd.Dir = w.dir
	return cmd
}

// code runs a command to its end and returns its exit code, or -1 if a signal ended it.
func code(cmd *exec.Cmd) (int, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	timer := time.AfterFunc(limit, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !timer.Stop() {
		return 0, fmt.Errorf("%s did not end within %v", filepath.Base(cmd.Path), limit)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// succeed runs a command that must exit 0.
func succeed(cmd *exec.Cmd) error {
	got, err := code(cmd)
	if err == nil && got != 0 {
		err = fmt.Errorf("%s exits %d:\n%s", filepath.Base(cmd.Path), got, cmd.Stdout)
	}
	return err
}

// files returns the checksums of all files below a folder, by path.
func files(dir string) (map[string]crate.Checksum, error) {
	found := map[string]crate.Checksum{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		found[filepath.ToSlash(strings.TrimPrefix(name, dir))] = sha256.Sum256(data)
		return err
	})
	return found, err
}

// loose verifies each loose file against the registry and returns the number of files.
func (w *world) loose() (n int, err error) {
	for _, id := range w.reg.IDs() {
		data, err := os.ReadFile(w.path("out", filepath.FromSlash(id.LoosePath())))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return n, err
		}
		if want, err := w.reg.Checksum(id); err != nil || crate.Checksum(sha256.Sum256(data)) != want {
			return n, fmt.Errorf("%s: the %d bytes under its name are not the crate", id, len(data))
		}
		n++
	}
	return n, nil
}

// inBundles returns the crates in the bundles that any tar and zstd can read and that match
// the registry.
func (w *world) inBundles() (map[crate.ID]bool, error) {
	names, err := filepath.Glob(w.path("bundles", "*"+bundle.Ext))
	if err != nil {
		return nil, err
	}
	found := map[crate.ID]bool{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		for e, err := range legacy.Open(f, info.Size()).Members() {
			if err != nil {
				break // the members before it count
			}
			h := sha256.New()
			if _, err := io.Copy(h, e); err != nil {
				break
			}
			if want, err := w.reg.Checksum(e.ID); err == nil && crate.Checksum(h.Sum(nil)) == want {
				found[e.ID] = true
			}
		}
		f.Close()
	}
	return found, nil
}

// recorded returns the versions that the manifest reports as ok.
func (w *world) recorded() ([]crate.ID, error) {
	data, err := os.ReadFile(w.path("manifest.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	byURL := map[string]crate.ID{}
	for _, id := range w.reg.IDs() {
		byURL[w.base+"/"+id.URLPath()] = id
		byURL[w.base+"/"+id.Name+"/"+id.FileName()] = id
	}
	var ids []crate.ID
	for line := range bytes.Lines(data) {
		var rec struct {
			URL string `json:"url"`
			OK  bool   `json:"ok"`
		}
		if json.Unmarshal(line, &rec) == nil && rec.OK {
			ids = append(ids, byURL[rec.URL])
		}
	}
	return ids, nil
}

// settled waits until no request is in progress.
func (w *world) settled(ctx context.Context, n int) bool {
	for w.reg.TotalRequests() < n {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return true
}
