package program

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// release is the version of the next release; builds of a tagged module have their own.
const release = "2.0.0-dev"

// Homepage is where people who see our requests can find out about the program.
const Homepage = "https://github.com/APTlantis/Mirror-Rust-Crates"

// stamped is the version of a release, which make release sets at link time, because its
// tree has no tag yet.
var stamped string

// Version returns the version of this build.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if stamped == "" && ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return cmp.Or(stamped, release)
}

// Build is what a bug report must say about the program.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`  // 40 hex digits; none in a build without git
	Time     string `json:"time,omitempty"`    // of the commit, RFC 3339
	Modified bool   `json:"modified,omitzero"` // the source is not that of the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// ThisBuild returns what the Go linker stored in the program.
func ThisBuild() Build {
	b := Build{Version: Version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String returns the build in one line.
func (b Build) String() string {
	line := "clonecratesio " + b.Version
	if b.Commit != "" {
		line += ", commit " + b.Commit[:min(12, len(b.Commit))]
		if b.Modified {
			line += " (modified)"
		}
	}
	return line + ", " + b.Go + ", " + b.OS + "/" + b.Arch
}

// UserAgent returns the program's name, version and contact, as crates.io's data access
// policy demands.
func UserAgent(contact string) string {
	ua := "clonecratesio/" + Version() + " (+" + Homepage + ")"
	if contact != "" {
		ua += " contact: " + contact
	}
	return ua
}
