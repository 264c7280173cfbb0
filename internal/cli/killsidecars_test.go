package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestC1KillSidecars kills the real program before the n-th operation on its
// disk, for a sweep of n: files are whole, old or new, and the next run
// completes and leaves nothing else.
func TestC1KillSidecars(t *testing.T) {
	durabletest.Seldom(t, 3)
	reg := parseRegistry(t)
	index := filepath.Join(t.TempDir(), "index")
	if err := reg.WriteIndex(index); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"files", "jsonl"} {
		step := 31
		if mode == "jsonl" {
			step = 1
		}
		dir := t.TempDir() // every run finds what the ones before it left
		for n := 1; ; n += step {
			cmd, out := sidecarsOf(index, dir, mode, fmt.Sprintf("%s=%d", killAt, n))
			if err := cmd.Run(); err == nil {
				break
			}
			if cmd.ProcessState.Exited() {
				t.Fatalf("%s, operation %d: not killed, and yet:\n%s", mode, n, out)
			}
			checkSidecars(t, reg, dir, mode, false)
		}
		cmd, out := sidecarsOf(index, dir, mode)
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", mode, err, out)
		}
		checkSidecars(t, reg, dir, mode, true)
	}
}

func sidecarsOf(index, dir, mode string, env ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command("generate-sidecars", "-index-dir", index, "-output-mode", mode, "-crates-base-url", "http://127.0.0.1:1")
	if mode == "files" {
		cmd.Args = append(cmd.Args, "-out", dir)
	} else {
		cmd.Args = append(cmd.Args, "-jsonl-out", filepath.Join(dir, "x.jsonl"))
	}
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// checkSidecars checks that all files with final names are complete; with all, that there is
// one for each version and nothing else.
func checkSidecars(t *testing.T, reg *simreg.Registry, dir, mode string, all bool) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		unfinished := strings.Contains(path, ".clonecratesio") || strings.HasSuffix(path, ".part")
		if unfinished && all {
			t.Errorf("%s is left", path)
		}
		if unfinished {
			return nil
		}
		data, err := os.ReadFile(path)
		for line := range bytes.Lines(data) {
			if mode == "jsonl" && !json.Valid(line) {
				t.Errorf("%s has %q", path, line)
			}
		}
		if mode == "files" && !json.Valid(data) {
			t.Errorf("%s has %q", path, data)
		}
		count++
		if mode == "jsonl" {
			count = bytes.Count(data, []byte("\n"))
			if count != reg.Len() {
				t.Errorf("%s has %d lines, want %d", path, count, reg.Len())
			}
		}
		return err
	})
	if err != nil || all && count != reg.Len() {
		t.Errorf("%d of %d sidecars, %v", count, reg.Len(), err)
	}
}
