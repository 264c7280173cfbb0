// Real mirrors real crates: the dependencies of a small Rust project, as the real cargo
// fetched them. It serves their .crate files from the loopback interface under an index made
// of the lines that cargo cached, mirrors them with the real download-crates, and compares
// every file with the checksum in Cargo.lock. Without cargo, or if cargo reaches no registry,
// it says so and succeeds.
//
//	go run ./scripts/real      # or: make real
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

const project = `[package]
name = "real"
version = "0.1.0"
edition = "2021"

[dependencies]
tokio = { version = "1", features = ["full"] }
ripgrep = "14"
reqwest = "0.12"
clap = { version = "4", features = ["derive"] }
serde_json = "1"
`

func main() {
	log.SetFlags(0)
	dir, err := os.MkdirTemp("", "clonecratesio-real-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := run(dir); err != nil {
		log.Print(err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
}

func run(dir string) error {
	if _, err := exec.LookPath("cargo"); err != nil {
		fmt.Println("skipped: there is no cargo here")
		return nil
	}
	locked, err := cargoFetch(dir)
	if err != nil {
		fmt.Printf("skipped: cargo reaches no registry: %v\n", err)
		return nil
	}
	served := filepath.Join(dir, "served")
	n, err := arrange(filepath.Join(dir, "cargo", "registry"), served, filepath.Join(dir, "index"))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go http.Serve(l, http.FileServer(http.Dir(served)))

	program := filepath.Join(dir, "download-crates")
	if err := show("go", "build", "-o", program, "./cmd/download-crates"); err != nil {
		return err
	}
	args := []string{"-index-dir", filepath.Join(dir, "index"), "-out", filepath.Join(dir, "mirror"), "-manifest", filepath.Join(dir, "manifest.jsonl"),
		"-crates-base-url", "http://" + l.Addr().String(), "-include-yanked", "-listen", "", "-log-level", "warn"}
	for range 2 {
		if err := show(program, args...); err != nil {
			return err
		}
	}
	return compare(filepath.Join(dir, "mirror"), locked, n)
}

func show(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// cargoFetch lets cargo fetch the project's dependencies and returns their checksums from
// Cargo.lock.
func cargoFetch(dir string) (map[crate.ID]string, error) {
	src := filepath.Join(dir, "project", "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		return nil, err
	}
	err := errors.Join(os.WriteFile(filepath.Join(src, "main.rs"), []byte("fn main() {}\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "project", "Cargo.toml"), []byte(project), 0o644))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("cargo", "fetch", "--quiet")
	cmd.Dir = filepath.Join(dir, "project")
	cmd.Env = append(os.Environ(), "CARGO_HOME="+filepath.Join(dir, "cargo"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return readLock(filepath.Join(dir, "project", "Cargo.lock"))
}

// readLock reads names, versions and checksums from Cargo.lock, where cargo writes them in
// this order, one per line.
func readLock(file string) (map[crate.ID]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	sums := map[crate.ID]string{}
	var id crate.ID
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		value = strings.Trim(value, `"`)
		switch key {
		case "name":
			id.Name = value
		case "version":
			id.Version = value
		case "checksum":
			sums[id] = value
		}
	}
	return sums, nil
}

// arrange lays out the crate files as upstream serves them, and an index with the lines of
// these files.
func arrange(registry, served, indexDir string) (n int, err error) {
	files, err := filepath.Glob(filepath.Join(registry, "cache", "*", "*.crate"))
	if err != nil {
		return 0, err
	}
	have := map[crate.ID]bool{}
	for _, file := range files {
		id, err := crate.ParseFileName(filepath.Base(file))
		if err != nil {
			return 0, err
		}
		have[id] = true
		if err := place(file, filepath.Join(served, id.Name, id.FileName())); err != nil {
			return 0, err
		}
	}
	err = filepath.WalkDir(filepath.Join(registry, "index"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(filepath.ToSlash(file), "/.cache/") {
			return err
		}
		return writeIndexFile(file, indexDir, have)
	})
	return len(have), err
}

func place(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// writeIndexFile turns a file of cargo's index cache, in which versions and lines alternate
// between zero bytes, into an index file with the lines of the versions in have.
func writeIndexFile(file, indexDir string, have map[crate.ID]bool) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var lines []byte
	var name string
	for part := range bytes.SplitSeq(data, []byte{0}) {
		if len(part) == 0 || part[0] != '{' {
			continue
		}
		entry, err := index.ParseLine(part)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if have[entry.ID] {
			name = entry.Name
			lines = append(append(lines, part...), '\n')
		}
	}
	if name == "" {
		return nil
	}
	to := filepath.Join(indexDir, filepath.FromSlash(crate.IndexPath(name)))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, lines, 0o644)
}

// compare hashes every file of the mirror and compares it with Cargo.lock.
func compare(mirror string, locked map[crate.ID]string, n int) error {
	for id, want := range locked {
		data, err := os.ReadFile(filepath.Join(mirror, filepath.FromSlash(id.LoosePath())))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			return fmt.Errorf("%v: the mirrored file is not the one in Cargo.lock", id)
		}
	}
	fmt.Printf("%d real crates mirrored; all %d that Cargo.lock names have its checksums\n", n, len(locked))
	if len(locked) < 100 {
		return fmt.Errorf("only %d crates: too few to show anything", len(locked))
	}
	return nil
}
