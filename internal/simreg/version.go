package simreg

import (
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Version is the specification of one published version. Only Name and Version are
// required.
type Version struct {
	Name     string
	Version  string
	Deps     []Dep
	Features map[string][]string // in the syntax of Cargo.toml, including "dep:x"
	Yanked   bool
	PubTime  time.Time // omitted from the index if zero, as for very old versions

	Links       string // the native library; adds a build script
	RustVersion string
	// Size is the number of bytes of noise in the crate file besides its manifest and
	// source, which take about 500.
	Size int
	// Lib is src/lib.rs. If empty, it has a constant ID, "name version", and a function
	// describe that names the crate and its dependencies by their IDs. A custom one needs a
	// "pub const ID: &str" if other crates depend on it.
	Lib string
}

// ID returns the name and version.
func (v *Version) ID() crate.ID { return crate.ID{Name: v.Name, Version: v.Version} }

// Dep is a dependency of a [Version].
type Dep struct {
	Name              string
	Req               string // if empty, "*"
	Optional          bool
	NoDefaultFeatures bool
	Features          []string
	Kind              string // "dev" or "build"; if empty, "normal"
	Target            string // such as "cfg(unix)"; if empty, every target
	Rename            string // the depending crate's name for it; if empty, Name
}

// alias returns the depending crate's name for d.
func (d *Dep) alias() string {
	if d.Rename != "" {
		return d.Rename
	}
	return d.Name
}

func (d *Dep) kind() string {
	if d.Kind == "" {
		return "normal"
	}
	return d.Kind
}

// req returns the requirement in the form of "cargo publish": "1.2" is "^1.2".
func (d *Dep) req() string {
	switch {
	case d.Req == "":
		return "*"
	case '0' <= d.Req[0] && d.Req[0] <= '9':
		return "^" + d.Req
	}
	return d.Req
}

// ident returns a crate's name in Rust source.
func ident(name string) string { return strings.ReplaceAll(name, "-", "_") }
