package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// project depends on popular crates of all years; consecutive names versions that
// follow each other, a line "NAME MAJOR.MINOR FIRST LAST" for some patch versions.
var (
	//go:embed project.toml
	project string
	//go:embed consecutive.txt
	consecutive string
)

// fetch has cargo fetch all of these into its home in dir, one project after the
// other. What is there already is not asked for again.
func fetch(dir string) error {
	home, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := cargoFetch(home, project); err != nil {
		return err
	}
	for line := range strings.Lines(consecutive) {
		var name, series string
		var first, last int
		if _, err := fmt.Sscan(line, &name, &series, &first, &last); err != nil {
			return fmt.Errorf("consecutive.txt: %q: %w", line, err)
		}
		for patch := first; patch <= last; patch++ {
			manifest := fmt.Sprintf("[package]\nname = \"deepreal\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n%s = \"=%s.%d\"\n", name, series, patch)
			if err := cargoFetch(home, manifest); err != nil { // a number that was never used
				fmt.Fprintf(os.Stderr, "without %s %s.%d: %v\n", name, series, patch, err)
			}
		}
	}
	return nil
}

// cargoFetch fetches what a project depends on.
func cargoFetch(home, manifest string) error {
	dir, err := os.MkdirTemp("", "clonecratesio-deepreal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"Cargo.toml": manifest, "src/main.rs": "fn main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	cargo := exec.Command("cargo", "fetch", "--quiet")
	cargo.Dir, cargo.Env = dir, append(os.Environ(), "CARGO_HOME="+home)
	if out, err := cargo.CombinedOutput(); err != nil {
		return fmt.Errorf("cargo fetch: %w: %s", err, out)
	}
	return nil
}
