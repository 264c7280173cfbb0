package extract

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// recorder is a catalog that wants what it is told of to survive a power cut.
type recorder struct {
	t    *testing.T
	disk *durabletest.Mem
	rows []catalog.Version

	republished []catalog.Version
}

func (c *recorder) AdoptLoose(_ context.Context, found []catalog.Version) error {
	wreck := c.disk.Crash(rand.New(rand.NewPCG(1, 2)))
	for i := range found {
		v := &found[i]
		data, err := durable.ReadFile(wreck, v.ID.LoosePath(), 1<<30)
		if err != nil || sha256.Sum256(data) != v.Checksum || int64(len(data)) != v.Size {
			c.t.Errorf("%s is recorded, and after a power cut: %d bytes, %v", v.ID, len(data), err)
		}
	}
	c.rows = append(c.rows, found...)
	return nil
}

func (c *recorder) AdoptRepublished(_ context.Context, found []catalog.Version) error {
	c.republished = append(c.republished, found...)
	return nil
}

func (c *recorder) ByChecksum(_ context.Context, key crate.Key) (catalog.Version, error) {
	for _, v := range c.rows {
		if v.Key() == key {
			return v, nil
		}
	}
	return catalog.Version{}, fs.ErrNotExist
}

// told returns the crates that the catalog was told of once.
func (c *recorder) told() (names []string) {
	for _, v := range c.rows {
		names = append(names, v.ID.String())
	}
	slices.Sort(names)
	return names
}

// TestK1CatalogIsTold: what came out of bundles, and what was there already, is a
// mirror in the end. An index pins it, a manifest does not.
func TestK1CatalogIsTold(t *testing.T) {
	all := large()
	for format, bytesOf := range formats {
		for _, indexed := range []bool{true, false} {
			m := newMedia(t)
			m.write(name, bytesOf(t, all))
			m.manifest(all)
			var cfg Config
			if indexed {
				cfg.Index = indexOf(t, all)
			}
			disk := durabletest.NewMem()
			for _, what := range []string{"first", "again"} {
				c := &recorder{t: t, disk: disk}
				cfg.Catalog = c
				_, err := extractTo(t, disk, m.mem, cfg)
				must(t, err)
				if diff := cmp.Diff(names(all), slices.Compact(c.told())); diff != "" {
					t.Errorf("%s, %s (-want +got):\n%s", format, what, diff)
				}
				for _, v := range c.rows {
					if !v.Loose || v.Listed != indexed || v.VerifiedAt.IsZero() == indexed {
						t.Errorf("%s, %s: %+v", format, what, v)
					}
				}
			}
		}
	}
}

// Foreign files in the place of crates, and wrong bytes, are not recorded.
func TestK1CatalogIsNotToldOfStrangers(t *testing.T) {
	all := items()
	m := newMedia(t)
	m.write(name, ours(t, all))
	disk := durabletest.NewMem()
	must(t, disk.MkdirAll(all[0].ID.LoosePath()[:1]))
	must(t, durable.WriteFile(disk, all[0].ID.LoosePath(), []byte("a stranger")))
	c := &recorder{t: t, disk: disk}
	other := slices.Clone(all)
	other[1].Data = noise(700, 99)
	_, err := extractTo(t, disk, m.mem, Config{Index: indexOf(t, other), Catalog: c})
	must(t, err)
	if diff := cmp.Diff(names(all[2:]), c.told()); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

// Manifests say what a version was before: of bytes that an index names, they do
// not. They are kept where they are asked for, and stay the version's.
func TestK1ManifestsSupersedeNoPin(t *testing.T) {
	pinned, forged := item{ID: items()[0].ID, Data: noise(300, 1)}, item{ID: items()[0].ID, Data: noise(400, 2)}
	c, err := catalog.Open(filepath.Join(t.TempDir(), "catalog.db"))
	must(t, err)
	defer c.Close()
	out := durabletest.NewMem()
	first := newMedia(t)
	first.numbered(ours, []item{pinned})
	_, err = extractTo(t, out, first.mem, Config{Index: indexOf(t, []item{pinned}), Catalog: c})
	must(t, err)
	next := newMedia(t)
	next.numbered(ours, []item{pinned}, []item{forged})
	s, err := extractTo(t, out, next.mem, Config{Superseded: true, Catalog: c})
	must(t, err)
	wantProblems(t, s, map[Kind]int64{Occupied: 1}, pinned.ID.String())
	if v, err := c.Version(t.Context(), pinned.ID); err != nil || !v.Listed || v.Checksum != sha256.Sum256(pinned.Data) {
		t.Errorf("the version is %+v, %v", v, err)
	}
	if _, err := durable.ReadFile(out, earlierPath(pinned), 1<<20); err != nil {
		t.Error(err)
	}
}
