package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// project depends on popular crates of all years; versions lists single versions, one line
// "NAME VERSION..." per crate.
var (
	//go:embed project.toml
	project string
	//go:embed versions.txt
	versions string
)

// fetch lets cargo fetch these versions, one after the other, and the dependencies of the
// project into its home in dir. It does not request again what is there.
func fetch(dir string, withProject bool) error {
	home, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	if withProject {
		if err := cargoFetch(home, project); err != nil {
			return err
		}
	}
	for line := range strings.Lines(versions) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		for _, version := range fields[1:] {
			if err := cargoInfo(home, fields[0], version); err != nil { // the version may be gone
				fmt.Fprintf(os.Stderr, "without %s %s: %v\n", fields[0], version, err)
			}
		}
	}
	return nil
}

// cargoInfo lets cargo show information about a version, for which it fetches only its .crate.
func cargoInfo(home, name, version string) error {
	there, err := filepath.Glob(filepath.Join(home, "registry", "cache", "*", name+"-"+version+".crate"))
	if err != nil || len(there) > 0 {
		return err
	}
	return cargo(home, home, "info", "--quiet", name+"@"+version)
}

// cargoFetch fetches the dependencies of a project.
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
	return cargo(home, dir, "fetch", "--quiet")
}

// cargo runs cargo in a folder, with its home in another one.
func cargo(home, dir string, args ...string) error {
	c := exec.Command("cargo", args...)
	c.Dir, c.Env = dir, append(os.Environ(), "CARGO_HOME="+home)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cargo %s: %w: %s", args[0], err, out)
	}
	return nil
}
