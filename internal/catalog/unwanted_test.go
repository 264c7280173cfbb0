package catalog

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestUnwantedPage(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := context.Background()
	change := func(v Version, change func(*Version)) Version { change(&v); return v }
	unlisted := func(v *Version) { v.Listed = false }
	superseded := func(v *Version) {
		v.Listed, v.SupersededAt, v.Republished = false, time.Unix(9, 0).UTC(), v.Checksum.FileKey()
	}
	mustCommit(t, c, Batch{Versions: []Version{
		version("wanted", "1.0.0", 1),
		change(version("b", "1.0.0", 2), unlisted),
		change(version("A", "1.0.0", 3), unlisted),
		change(version("b", "0.1.0", 4), unlisted),
		change(version("yanked", "1.0.0", 5), func(v *Version) { v.Yanked = true }),
		change(in(version("bundled", "1.0.0", 6), "bundle-0000.tar.zst", 0), func(v *Version) { v.Listed, v.Loose = false, false }),
		change(version("shelved", "1.0.0", 8), superseded),
		change(version("shelved", "1.0.0", 9), func(v *Version) { superseded(v); v.VerifiedAt = time.Time{} }),
		change(in(version("shelved", "1.0.0", 10), "bundle-0000.tar.zst", 9), func(v *Version) { superseded(v); v.Loose, v.Republished = false, "" }),
		version("shelved", "1.0.0", 11),
		change(inDeep(version("deep", "1.0.0", 12), "deep-0000.zst", 0), func(v *Version) { v.Listed, v.Loose = false, false }),
		change(inDeep(version("deep", "1.1.0", 13), "deep-0000.zst", 1), func(v *Version) { v.Loose = false }),
		change(version("foreign", "1.0.0", 7), func(v *Version) { v.Listed, v.VerifiedAt = false, time.Time{} }),
	}})
	var all []Version
	for name := range strings.FieldsSeq("a b bundled deep foreign shelved wanted yanked") {
		held, err := c.Versions(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, held...)
	}
	loose := []string{"A 1.0.0", "b 0.1.0", "b 1.0.0"}
	for _, tt := range []struct {
		u    Unwanted
		want []string
	}{
		{Unwanted{}, loose},
		{Unwanted{Yanked: true}, append(slices.Clip(loose), "yanked 1.0.0")},
		{Unwanted{Superseded: true}, append(slices.Clip(loose), "shelved 1.0.0", "shelved 1.0.0")},
		{Unwanted{Bundled: true}, append(slices.Clip(loose), "bundled 1.0.0")},
		{Unwanted{Bundled: true, Superseded: true}, append(slices.Clip(loose), "bundled 1.0.0", "shelved 1.0.0", "shelved 1.0.0", "shelved 1.0.0")},
		{Unwanted{Packed: true}, append(slices.Clip(loose), "deep 1.0.0")},
		{Unwanted{Bundled: true, Packed: true}, append(slices.Clip(loose), "bundled 1.0.0", "deep 1.0.0")},
	} {
		var got, has []string
		var after crate.Key
		for {
			page, err := c.UnwantedPage(ctx, after, tt.u, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, v := range page {
				got = append(got, v.ID.String())
			}
			after = page[len(page)-1].Key()
		}
		for _, v := range all {
			if tt.u.Has(&v) {
				has = append(has, v.ID.String())
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.u, diff)
		}
		if diff := cmp.Diff(tt.want, has); diff != "" {
			t.Errorf("%+v: Has (-want +got):\n%s", tt.u, diff)
		}
	}
	mustCommit(t, c, Batch{Dropped: []crate.Key{keyOf(version("b", "0.1.0", 4)), keyOf(version("absent", "1.0.0", 1))}})
	wantVersion(t, c, change(version("b", "1.0.0", 2), unlisted))
}

// The index may still name dropped bytes: their crate must not count as complete, and
// queries must find only what is held.
func TestDroppedIsNotComplete(t *testing.T) {
	c, _ := tempCatalog(t)
	ctx := t.Context()
	mustCommit(t, c, Batch{
		Versions: []Version{version("Some", "1.0.0", 1), version("Some", "1.1.0", 2), version("all-of-it", "1.0.0", 3), version("other", "1.0.0", 4)},
		Crates:   []Crate{{Path: "so/me/some", Blob: "b"}, {Path: "al/l-/all-of-it", Blob: "b"}, {Path: "ot/he/other", Blob: "b"}},
	})
	mustCommit(t, c, Batch{Dropped: []crate.Key{keyOf(version("Some", "1.0.0", 1)), keyOf(version("all-of-it", "1.0.0", 3))}})
	complete := map[string]bool{}
	for h, err := range c.Holdings(ctx, false) {
		if err != nil {
			t.Fatal(err)
		}
		complete[h.Path] = h.Blob != ""
	}
	if diff := cmp.Diff(map[string]bool{"ot/he/other": true, "so/me/some": false}, complete); diff != "" {
		t.Errorf("complete (-want +got):\n%s", diff)
	}
	names, _, _, err := c.Names(ctx, NamesMark{})
	if diff := cmp.Diff([]string{"Some", "other"}, names); diff != "" || err != nil {
		t.Errorf("names, error %v (-want +got):\n%s", err, diff)
	}
}

func TestInBundle(t *testing.T) {
	c, _ := tempCatalog(t)
	rows := []Version{in(version("b", "1.0.0", 1), "bundle-0000.tar.zst", 0), in(version("a", "1.0.0", 2), "bundle-0000.tar.zst", 900)}
	mustCommit(t, c, Batch{Versions: append(rows, in(version("c", "1.0.0", 3), "bundle-0001.tar.zst", 0), version("d", "1.0.0", 4))})
	var got []Version
	for v, err := range c.InBundle(t.Context(), "bundle-0000.tar.zst") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("in bundle 0 (-want +got):\n%s", diff)
	}
	bytes, err := c.BundledBytes(t.Context())
	want := map[string]int64{"bundle-0000.tar.zst": rows[0].FrameSize + rows[1].FrameSize, "bundle-0001.tar.zst": rows[0].FrameSize}
	if diff := cmp.Diff(want, bytes); diff != "" || err != nil {
		t.Errorf("error %v, bytes (-want +got):\n%s", err, diff)
	}
}
