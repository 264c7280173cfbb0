package lists

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// An entry that was read from a catalog can be written and read again.
func FuzzCatalogLine(f *testing.F) {
	f.Add([]byte(`{"bundle_path":"b/bundle-0007.tar.zst","manifest_path":"b/bundle-0007-a-to-b.manifest.jsonl","crate_min":"a","crate_max":"b"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range ReadCatalog(bytes.NewReader(b)) {
			if err != nil {
				continue
			}
			mem := durabletest.NewMem()
			must(t, AppendCatalog(mem, e))
			line, err := durable.ReadFile(mem, CatalogName, 1<<20)
			must(t, err)
			for again, err := range ReadCatalog(bytes.NewReader(line)) {
				if diff := cmp.Diff(e, again); diff != "" || err != nil {
					t.Fatalf("%v, (-first +again):\n%s", err, diff)
				}
			}
		}
	})
}

// An entry that was read from a manifest can be written and read again.
func FuzzManifestLine(f *testing.F) {
	f.Add([]byte(manifestOf("bundle-0003.tar.zst", "s/er/serde-1.0.0.crate") + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range ReadManifest(bytes.NewReader(b)) {
			if err != nil {
				continue
			}
			line, err := AppendManifestLine(nil, e)
			must(t, err)
			for again, err := range ReadManifest(bytes.NewReader(line)) {
				if diff := cmp.Diff(e, again); diff != "" || err != nil {
					t.Fatalf("%v, (-first +again):\n%s", err, diff)
				}
			}
		}
	})
}
