package lists

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// items are the crates that lists name.
func items() (all []bundletest.Item) {
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		all = append(all, bundletest.Item{ID: crate.ID{Name: name, Version: "1.0.0"}, Data: []byte(name)})
	}
	return all
}

// An unusable line of a manifest costs only itself, and v1.1.0 may have left two manifests
// of a bundle.
func TestClaims(t *testing.T) {
	m := durabletest.NewMem()
	line := func(n int) string {
		it := items()[n]
		b, err := AppendManifestLine(nil, ManifestEntry{Bundle: bundle.Name{Number: 7}, Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data)}})
		must(t, err)
		return string(b)
	}
	must(t, durable.WriteFile(m, ManifestName(bundle.Name{Number: 7}, "a", "b"), []byte(line(0)+"{}\n"+line(1))))
	must(t, durable.WriteFile(m, ManifestName(bundle.Name{Number: 7}, "n", "z"), []byte(line(4))))
	must(t, durable.WriteFile(m, ManifestName(bundle.Name{Number: 70}, "a", "z"), []byte(line(2))))
	c, err := FindClaims(m)
	must(t, err)
	var got, errs []string
	for e, err := range c.Of(bundle.FileName(7)) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		got = append(got, e.ID.String())
	}
	all := bundletest.Names(items())
	if diff := cmp.Diff([]string{all[0], all[1], all[4]}, got); diff != "" {
		t.Errorf("crates (-want +got):\n%s", diff)
	}
	if len(errs) != 1 || !strings.HasPrefix(errs[0], "manifest bundle-0007-a-to-b.manifest.jsonl: line 2: ") {
		t.Errorf("errors %q", errs)
	}
	if diff := cmp.Diff([]string{bundle.FileName(7), bundle.FileName(7), bundle.FileName(70)}, c.Bundles()); diff != "" {
		t.Errorf("bundles (-want +got):\n%s", diff)
	}
	if !c.Any(bundle.FileName(7)) || c.Any(bundle.FileName(8)) {
		t.Error("Any is wrong about bundles 7 or 8")
	}
}

// F14: an endless manifest is not read to its end.
func TestF14EndlessManifest(t *testing.T) {
	it := items()[0]
	line, err := AppendManifestLine(nil, ManifestEntry{Member: bundle.Member{ID: it.ID, Size: 5, Checksum: sha256.Sum256(it.Data)}})
	must(t, err)
	c := &Claims{folder: endless{line: line}}
	left, n := 1000, 0
	var last error
	c.read("m", &left, func(_ ManifestEntry, err error) bool { n++; last = err; return true })
	if !errors.Is(last, bundle.ErrTooMany) || n != 1001 {
		t.Errorf("read %d lines, %v", n, last)
	}
}

// endless is a folder in which every file repeats a line endlessly.
type endless struct {
	durable.Reader
	line []byte
}

func (e endless) Open(string) (durable.File, error) { return &endlessFile{line: e.line}, nil }

type endlessFile struct {
	durable.File
	line []byte
	at   int
}

func (f *endlessFile) Read(p []byte) (int, error) {
	n := copy(p, f.line[f.at:])
	f.at = (f.at + n) % len(f.line)
	return n, nil
}

func (f *endlessFile) Close() error { return nil }
