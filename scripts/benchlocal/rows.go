//go:build linux

package main

import (
	"fmt"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/mirrored"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

// The processor time of a way relative to the first one of its row, with the 4,000 versions of
// "make bench-smoke", which includes the start.
const (
	seenPlan     = 3.60
	seenSidecars = 3.15
	seenStart    = 15 // "git version" takes only a millisecond
	seenStatus   = 22
	seenExtract  = 1.95
)

var (
	seenNothing = map[string]float64{"loose": 7.5, "bundled": 6.7}
	seenVerify  = map[string]float64{"loose": 0.87, "bundled": 0.81}
)

const (
	cat    = `find "$1" -type f -print0 | xargs -0 -P2 -n 2000 cat >/dev/null`
	gitCat = `git -C "$1" ls-tree -r HEAD | cut -d" " -f3 | cut -f1 | git -C "$1" cat-file --batch --buffer >/dev/null`
)

// ours returns a run of our program.
func ours(name string, seen float64, args ...string) *turns.Way {
	return &turns.Way{Name: name, Run: turns.Command(*program, args...), Seen: seen}
}

func (b *bench) rows() []*turns.Row {
	rows := append(b.ofTheIndex(), append(b.ofAMirror(), b.starts())...)
	if *index != "" {
		rows = append(rows, b.ofAllHeld()...)
	}
	return rows
}

// ofAllHeld returns the rows for mirrors that store all of -index.
func (b *bench) ofAllHeld() []*turns.Row {
	again := func(kind, name, index string, more ...string) *turns.Way {
		args := append([]string{"download"}, mirrored.Flags(b.path("held/"+kind))...)
		args = append(args, "-crates-base-url", "http://127.0.0.1:9", "-index-dir", index, "-log-level", "error")
		// Exit code 3 reports files that the index lacks.
		return &turns.Way{Name: name, Run: turns.Shell(`"$@" >/dev/null 2>&1 || [ $? = 3 ]`, append([]string{*program}, append(args, more...)...)...)}
	}
	ways := func(first *turns.Way, index string) []*turns.Way {
		return []*turns.Way{first,
			again("bundled", "bundles, all lines", index, "-news-only=false"), again("bundled", "bundles, news only", index, "-news-only"),
			again("loose", "loose files, news only", index, "-news-only"),
		}
	}
	bare, checkout := b.path("bare"), b.path("checkout")
	return []*turns.Row{
		{Name: "nothing new of the index, plain folder", Ways: ways(&turns.Way{Name: "cat", Run: turns.Shell(cat, checkout)}, checkout)},
		{Name: "nothing new of the index, git", Ways: ways(&turns.Way{Name: "git ls-tree", Run: turns.Shell(`git -C "$1" ls-tree -r HEAD >/dev/null`, bare)}, bare)},
	}
}

// ofTheIndex returns the rows that need no crate files.
func (b *bench) ofTheIndex() []*turns.Row {
	plan := func(index string) *turns.Way {
		// Exit code 3 reports files that the index lacks.
		return &turns.Way{Name: "download -dry-run", Seen: seenPlan, Run: turns.Shell(`"$1" download -index-dir "$2" -dry-run -include-yanked -log-level error >/dev/null 2>&1 || [ $? = 3 ]`, *program, index)}
	}
	bare, checkout := b.path("bare"), b.path("checkout")
	return []*turns.Row{
		{Name: "plan, checkout", Ways: []*turns.Way{
			{Name: "cat", Run: turns.Shell(cat, checkout)},
			{Name: "a reader in Go", Run: turns.Command(b.self, "-read", checkout)},
			plan(checkout),
		}},
		{Name: "plan, bare repository", Ways: []*turns.Way{{Name: "git ls-tree, cat-file", Run: turns.Shell(gitCat, bare)}, plan(bare)}},
		{Name: "sidecars, JSON lines", Ways: []*turns.Way{
			{Name: "cat", Run: turns.Shell(cat, checkout)},
			{Name: "sidecars", Seen: seenSidecars, Run: turns.Shell(`"$1" sidecars -index-dir "$2" -include-yanked -output-mode jsonl -jsonl-out "$3" -log-level error || [ $? = 3 ]`, *program, checkout, b.path("sidecars.jsonl"))},
		}},
	}
}

// ofAMirror returns the rows that need crate files.
func (b *bench) ofAMirror() []*turns.Row {
	quiet := []string{"-log-level", "error"}
	held, plain := fmt.Sprintf("%d held", *n), b.path("plain")
	again := func(kind, name, index string) *turns.Way {
		args := append([]string{"download"}, mirrored.Flags(b.path(kind))...)
		return ours(name, seenNothing[kind], append(args, "-crates-base-url", "http://127.0.0.1:9", "-index-dir", index, "-log-level", "error")...)
	}
	crates := b.path("loose/crates")
	verify := func(kind string) *turns.Way {
		return ours("verify, "+kind, seenVerify[kind], append([]string{"verify", "-mirror", b.path(kind), "-index-dir", b.path(kind + "/" + mirrored.Index)}, quiet...)...)
	}
	extract := ours("extract", seenExtract, append([]string{"extract", "-bundles-dir", b.path("bundled/bundles"), "-index-dir", b.path("bundled/" + mirrored.Index), "-out", b.path("extracted")}, quiet...)...)
	extract.Prepare = func() error { return os.RemoveAll(b.path("extracted")) }
	tar := &turns.Way{Name: "tar --zstd, sync", Run: turns.Shell(`mkdir "$2" && for f in "$1"/*.tar.zst; do tar --zstd -xf "$f" -C "$2" || exit; done; sync -f "$2"`, b.path("bundled/bundles"), b.path("extracted")), Prepare: extract.Prepare}
	return []*turns.Row{
		{Name: "nothing new, plain folder", Per: *n, Ways: []*turns.Way{
			{Name: "cat", Run: turns.Shell(cat, plain)},
			again("loose", "loose files", plain), again("bundled", "bundles", plain),
		}},
		{Name: "nothing new, git", Per: *n, Ways: []*turns.Way{
			{Name: "git ls-tree", Run: turns.Shell(`git -C "$1" ls-tree -r HEAD >/dev/null`, b.path("loose/"+mirrored.Index))},
			again("loose", "loose files", b.path("loose/"+mirrored.Index)), again("bundled", "bundles", b.path("bundled/"+mirrored.Index)),
		}},
		{Name: "hash " + held, Per: *n, Ways: []*turns.Way{{Name: "SHA-256 of loose files in Go", Run: turns.Command(b.self, "-sha256", crates)}, verify("loose"), verify("bundled")}},
		{Name: "extract " + held, Per: *n, Ways: []*turns.Way{tar, extract}},
	}
}

// starts returns the row of commands that do almost nothing, repeated until their times can be
// distinguished.
func (b *bench) starts() *turns.Row {
	const times = 20
	loop := fmt.Sprintf(`for i in $(seq %d); do "$@" >/dev/null || exit; done`, times)
	start := func(name string, seen float64, args ...string) *turns.Way {
		return &turns.Way{Name: name, Seen: seen, Run: turns.Shell(loop, args...)}
	}
	return &turns.Row{Name: fmt.Sprintf("%d starts", times), Per: times, Ways: []*turns.Way{
		start("git version", 0, "git", "version"),
		start("version", seenStart, *program, "version"),
		start("help", seenStart, *program, "help"),
		start("status", seenStatus, *program, "status", "-mirror", b.path("loose"), "-index-dir", b.path("loose/"+mirrored.Index)),
	}}
}
