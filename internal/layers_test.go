// Package internal_test holds the walls of the house: which package may import
// which.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/APTlantis/Mirror-Rust-Crates/"

// floors are the layers from the top down. A package may import those of lower
// floors, nothing beside it and nothing above it. The comment is the title in
// docs/Architecture.svg.
var floors = [][]string{
	{
		// programs
		"cmd",
	},
	{
		// flags, help, printing
		"internal/cli",
	},
	{
		// commands of servers, of many
		// machines, of both sides of a gap
		"internal/servecli",
		"internal/gatecli",
		"internal/fleetcli",
		"internal/replicacli",
		"internal/signcli",
		"internal/policycli",
		"internal/airgapcli",
		"internal/treecli",
	},
	{
		// what commands stand in
		"internal/program",
	},
	{
		// help, completions,
		// settings of a mirror
		"internal/manual",
		"internal/settings",
	},
	{
		// flags that commands share,
		// a mirror as numbers
		"internal/flags",
		"internal/telemetry",
	},
	{
		// jobs that run the others
		"internal/transfer/receive",
		"internal/replicate",
		"internal/follow",
		"internal/demo",
		"internal/status",
		"internal/inspect",
	},
	{
		// into the deep archive,
		// and over an air gap
		"internal/repack",
		"internal/policy/survey",
		"internal/transfer/send",
	},
	{
		// jobs and servers:
		// one thing each with a mirror
		"internal/mirror",
		"internal/verify",
		"internal/closure",
		"internal/extract",
		"internal/sidecar",
		"internal/registry",
		"internal/gate",
		"internal/access",
		"internal/export",
		"internal/prune",
		"internal/push",
		"internal/audit",
		"internal/doctor",
		"internal/fleet",
		"internal/pages",
		"internal/search",
		"internal/attest",
		"internal/replica",
		"internal/peer",
		"internal/gitweb",
		"internal/importtree",
		"internal/news",
		"internal/prefetch",
		"internal/pull",
	},
	{
		// what is held, and
		// what is to be done
		"internal/reader",
		"internal/plan",
		"internal/index/carry",
		"internal/index/sparse",
	},
	{
		// folders of a mirror,
		// changes of the index
		"internal/home",
		"internal/browse",
		"internal/dependants",
		"internal/diff",
		"internal/index/clone",
		"internal/policy/age",
		"internal/index/feed",
		"internal/index/trees",
		"internal/origins",
	},
	{
		// where crates come from,
		// where they are stored
		"internal/index",
		"internal/upstream",
		"internal/store/loose",
		"internal/store/bundled",
		"internal/store/packed",
		"internal/store/fetched",
		"internal/store/overlay",
		"internal/bucket/address",
		"internal/work/jetstream",
		"internal/runlog",
		"internal/catalog",
		"internal/runstate",
		"internal/roundlog",
		"internal/cargotoml",
		"internal/policy",
	},
	{
		// contracts of stores
		"internal/index/details",
		"internal/locate",
		"internal/store",
		"internal/store/cache",
		"internal/upstream/adaptive",
		"internal/upstream/http1",
		"internal/bucket/s3",
		"internal/bundle/lists",
		"internal/policy/advisory",
		"internal/transfer",
		"internal/root",
		"internal/blocks",
		"internal/bucket/download",
		"internal/bucket/web",
		"internal/work",
	},
	{
		// formats, and what is run
		"internal/bundle",
		"internal/bucket",
		"internal/stream",
		"internal/deep",
		"internal/git",
		"internal/tilelog",
		"internal/signing",
		"internal/selfsigned",
		"internal/keypair",
	},
	{
		// files that grow,
		// and those that go
		"internal/partfile",
		"internal/extsort",
		"internal/trash",
	},
	{
		// disk, terminal, lines
		"internal/bundle/legacy",
		"internal/durable",
		"internal/cratefile",
		"internal/readme",
		"internal/jsonl",
		"internal/catalog/raw",
		"internal/statement",
		"internal/console",
		"internal/admin",
	},
	{
		// words and numbers
		"internal/bundle/member",
		"internal/crate",
		"internal/semver",
		"internal/policy/spdx",
		"internal/recent",
		"internal/tomlfile",
		"internal/extent",
		"internal/plainget",
		"internal/publicurl",
		"internal/deflate",
		"internal/human",
		"internal/verdict",
	},
}

// The simulated registry stands outside: it knows the grammar alone, and only
// the demo (and tests) know it. Rooms below it play on it, for tests.
const simulated = "internal/simreg"

func floor(pkg string) int {
	for n, names := range floors {
		for _, name := range names {
			if pkg == name || name == "cmd" && strings.HasPrefix(pkg, "cmd/") {
				return n
			}
		}
	}
	return -1
}

func TestImportsGoOneWay(t *testing.T) {
	root := ".."
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "scripts" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		checkImports(t, filepath.ToSlash(rel), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImports(t *testing.T, rel, file string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	pkg := path.Dir(rel)
	for _, imp := range f.Imports {
		name, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(name, module); ok && !mayImport(pkg, target) {
			t.Errorf("%s imports %s: that is against the arrows (see floors)", rel, target)
		}
	}
}

func mayImport(pkg, target string) bool {
	switch {
	case strings.HasSuffix(pkg, "test"):
		return true // a package for tests, which floor keeps out of the others
	case pkg == simulated:
		return target == "internal/crate" || target == simulated+"/cert" || target == simulated+"/rss" // which do not know it
	case strings.HasPrefix(pkg, simulated+"/"):
		return target == "internal/crate" || target == simulated
	case strings.HasPrefix(target, simulated+"/"):
		return false // for tests alone
	case target == simulated:
		return pkg == "internal/demo"
	}
	from, to := floor(pkg), floor(target)
	return from >= 0 && to > from
}
