package registry

import (
	"net/url"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// A route is a kind of resource. It is also a metric label, so there are few routes.
type route int

const (
	routePage      route = iota // for people: Config.Pages answers
	routeConfig                 // /index/config.json
	routeIndex                  // /index/se/rd/serde
	routeCrate                  // the bytes of a version, under any of its paths
	routeSearch                 // /api/v1/crates
	routeAPI                    // /api/v1/crates/serde
	routeSnapshot               // /snapshot/2026-03-01/config.json, /snapshot/2026-03-01/se/rd/serde
	routePoints                 // /api/v1/snapshots, /api/v1/snapshots/2026-03-01
	routeLog                    // /log/checkpoint, /log/tile/...
	routePeers                  // /replicate/...: Config.Peers answers
	routeGit                    // /git/...: Config.Git answers, and reads request bodies
	routeFeed                   // /rss/updates.xml: Config.Feed answers
	routeNone                   // a path of cargo's at which nothing can exist
	numberOfRoutes = iota
)

var routeNames = [numberOfRoutes]string{"page", "config", "index", "crate", "search", "api", "snapshot", "api", "log", "replicate", "git", "feed", "none"}

// A target is what a path asks for.
type target struct {
	route
	name    string          // of routeIndex and routeSnapshot (lower case), routeCrate, routeAPI; well-formed. Empty: config.json
	file    string          // of routeLog: its name in the folder of the log
	point   string          // of routeSnapshot and routePoints: a day or a commit id. Empty: neither, or all
	version string          // of routeCrate; well-formed
	sum     *crate.Checksum // of routeCrate: of the requested bytes; nil: the version's current ones
	api     bool            // below /api/: responses and errors are JSON
}

// parse returns what the path of a request asks for. It parses names and versions by the
// grammar of package crate and never joins anything to a path of this machine, so its
// results can only be names (H4).
func parse(u *url.URL) target {
	if hostile(u.Path) {
		return target{route: routeNone}
	}
	// Path is already decoded: a %2F in it looks like a slash. RawPath is set only if that
	// makes a difference (or for %2B, which cargo may send for "+").
	if u.RawPath != "" && strings.Count(u.RawPath, "/") != strings.Count(u.Path, "/") {
		return target{route: routeNone}
	}
	return parsePath(u.Path)
}

// hostile reports whether a decoded path has characters that no path of ours has, and that
// some servers have treated as more than text.
func hostile(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ', c == 0x7f, c == '\\', c == ';':
			return true
		case c != '/':
		case strings.HasPrefix(path[i:], "//"):
			return true
		case isDots(path[i+1:]):
			return true
		}
	}
	return !strings.HasPrefix(path, "/")
}

// isDots reports whether path begins with the element "." or "..".
func isDots(path string) bool {
	element, _, _ := strings.Cut(path, "/")
	return element == "." || element == ".."
}

func parsePath(path string) target {
	if rest, ok := strings.CutPrefix(path, "/index/"); ok {
		return parseIndex(rest)
	}
	if rest, ok := strings.CutPrefix(path, "/snapshot/"); ok {
		return parseSnapshot(rest)
	}
	if rest, ok := strings.CutPrefix(path, "/log/"); ok {
		return parseLog(rest)
	}
	if strings.HasPrefix(path, "/replicate/") {
		return target{route: routePeers}
	}
	if path == feed.Path {
		return target{route: routeFeed}
	}
	if strings.HasPrefix(path, "/git/") {
		return target{route: routeGit}
	}
	if rest, ok := strings.CutPrefix(path, "/crates/"); ok {
		return parseCrate(rest)
	}
	if rest, ok := strings.CutPrefix(path, "/api/"); ok {
		t := parseAPI(rest)
		t.api = true
		return t
	}
	return target{}
}

// parseLog parses the names of log files from c2sp.org/tlog-tiles.
func parseLog(rest string) target {
	if _, err := tilelog.ParsePath(rest); err != nil && rest != tilelog.CheckpointName {
		return target{route: routeNone}
	}
	return target{route: routeLog, file: rest}
}

func parseIndex(rest string) target {
	if rest == "config.json" {
		return target{route: routeConfig}
	}
	if !crate.CheckIndexPath(rest) {
		return target{route: routeNone}
	}
	return target{route: routeIndex, name: rest[strings.LastIndexByte(rest, '/')+1:]}
}

// parseSnapshot parses {point}/{path below /index/}. {point}/ is a page.
func parseSnapshot(rest string) target {
	point, file, _ := strings.Cut(rest, "/")
	if file == "" {
		return target{route: routePage}
	}
	t := parseIndex(file)
	if t.route == routeNone {
		return t
	}
	return target{route: routeSnapshot, name: t.name, point: checkPoint(point)}
}

// checkPoint returns a point in the past, or "" if it is malformed.
func checkPoint(point string) string {
	if index.IsDay(point) || index.IsCommit(point) {
		return point
	}
	return ""
}

// parseCrate parses {name}/{name}-{version}.crate, as on static.crates.io, and
// {name}/{version}/download, which cargo derives from our config.json.
// {name}/{version}/{sha256}.crate are bytes that the version has or had: a registry's dl
// may ask for them so, with cargo's marker {sha256-checksum}. {name} and {name}/{version}
// are pages, as on crates.io.
func parseCrate(rest string) target {
	name, file, _ := strings.Cut(rest, "/")
	if crate.CheckName(name) == nil && (file == "" || '0' <= file[0] && file[0] <= '9' && crate.CheckVersion(file) == nil) {
		return target{route: routePage}
	}
	if version, ok := strings.CutSuffix(file, "/download"); ok {
		return crateTarget(crate.ID{Name: name, Version: version})
	}
	if version, sum, ok := cutChecksum(file); ok {
		t := crateTarget(crate.ID{Name: name, Version: version})
		if t.route == routeCrate {
			t.sum = &sum
		}
		return t
	}
	id, err := crate.ParseFileName(file) // which checks it
	if err != nil || id.Name != name {
		return target{route: routeNone}
	}
	return target{route: routeCrate, name: id.Name, version: id.Version}
}

// cutChecksum parses {version}/{sha256}.crate.
func cutChecksum(file string) (version string, sum crate.Checksum, ok bool) {
	version, file, _ = strings.Cut(file, "/")
	digits, ok := strings.CutSuffix(file, crate.Ext)
	sum, err := crate.ParseChecksum(digits)
	return version, sum, ok && err == nil
}

func crateTarget(id crate.ID) target {
	if id.Check() != nil {
		return target{route: routeNone}
	}
	return target{route: routeCrate, name: id.Name, version: id.Version}
}

func parseAPI(rest string) target {
	if rest == "v1/snapshots" {
		return target{route: routePoints}
	}
	if point, ok := strings.CutPrefix(rest, "v1/snapshots/"); ok && checkPoint(point) != "" {
		return target{route: routePoints, point: point}
	}
	rest, ok := strings.CutPrefix(rest, "v1/crates")
	if !ok {
		return target{route: routeNone}
	}
	if rest == "" || rest == "/" {
		return target{route: routeSearch}
	}
	name, more, deeper := strings.Cut(rest[1:], "/")
	switch {
	case rest[0] != '/' || crate.CheckName(name) != nil:
		return target{route: routeNone}
	case !deeper:
		return target{route: routeAPI, name: name}
	}
	version, ok := strings.CutSuffix(more, "/download")
	t := crateTarget(crate.ID{Name: name, Version: version})
	if !ok {
		return target{route: routeNone}
	}
	return t
}
