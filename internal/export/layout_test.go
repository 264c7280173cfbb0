package export

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// files lists a tree, without files that are not for clients.
func files(t *testing.T, tree durable.Reader) (names []string) {
	walk(t, tree, ".", func(name string) {
		if !strings.HasPrefix(name, StateDir) {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return names
}

// Each layout has its files where the programs look for them, as in trees that those
// programs made (make trees), and a tree accepts only its own layout.
func TestLayouts(t *testing.T) {
	for layout, want := range map[Layout][]string{
		LocalRegistry: {
			"Ab-x-1.0.0.crate", "a-0.1.0+b.crate", "foo-1.0.0.crate", "foo-1.1.0.crate",
			"index/1/a", "index/3/f/foo", "index/ab/-x/ab-x",
		},
		Panamax: {
			"crates.io-index/1/a", "crates.io-index/3/f/foo", "crates.io-index/ab/-x/ab-x", "crates.io-index/config.json",
			"crates/1/a/0.1.0+b/a-0.1.0+b.crate", "crates/3/f/foo/1.0.0/foo-1.0.0.crate", "crates/3/f/foo/1.1.0/foo-1.1.0.crate",
			"crates/Ab/-x/Ab-x/1.0.0/Ab-x-1.0.0.crate",
		},
	} {
		t.Run(layout.String(), func(t *testing.T) {
			m, mem := newFake("foo 1.0.0\nfoo 1.1.0\na 0.1.0+b\nAb-x 1.0.0"), durabletest.NewMem()
			set := func(cfg *Config) { cfg.Layout = layout }
			if _, err := export(t, m, mem, set); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, files(t, mem)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, id := range m.reg.IDs() {
				for _, name := range layout.files(id) {
					data, _ := m.bytes(id)
					if got, err := durable.ReadFile(mem, name, 1<<20); err != nil || string(got) != string(data) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
			if sum, err := export(t, m, mem, set); err != nil || sum.Kept != 4 || sum.Copied != 0 || sum.Index != 0 {
				t.Errorf("again: %+v, %v", sum, err)
			}
			if _, err := export(t, m, mem, func(cfg *Config) { cfg.Layout = Static }); !errors.Is(err, ErrLayout) {
				t.Errorf("another layout: %v", err)
			}
		})
	}
	mem := durabletest.NewMem()
	if _, err := export(t, newFake("foo 1.0.0"), mem, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, newFake("foo 1.0.0"), mem, func(cfg *Config) { cfg.Layout = LocalRegistry }); !errors.Is(err, ErrLayout) {
		t.Errorf("over a static tree: %v", err)
	}
}

// Files that the index no longer names are removed on request, and nothing else in the
// folder.
func TestPruneLocalRegistry(t *testing.T) {
	mem := durabletest.NewMem()
	set := func(cfg *Config) { cfg.Layout, cfg.Prune = LocalRegistry, true }
	if _, err := export(t, newFake(before), mem, set); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(mem, "notes.txt", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	sum, err := export(t, newFake(after), mem, set)
	if err != nil || sum.Pruned != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
	want := []string{"bar-0.1.0+b.crate", "foo-1.0.0.crate", "foo-1.2.0.crate", "index/3/b/bar", "index/3/f/foo", "index/ne/w-/new-one", "new-one-1.0.0.crate", "notes.txt"}
	if diff := cmp.Diff(want, files(t, mem)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// only selects one version.
type only crate.ID

func (o only) Crate(path string) bool { return path == crate.IndexPath(o.Name) }

func (o only) Entries(c *index.Crate) (chosen []bool) {
	for i := range c.Entries {
		chosen = append(chosen, c.Entries[i].ID == crate.ID(o))
	}
	return chosen
}

// Only the selected part is exported.
func TestChosen(t *testing.T) {
	mem := durabletest.NewMem()
	m := Chosen(newFake(before), only{Name: "foo", Version: "1.1.0"})
	if _, err := export(t, m, mem, nil); err != nil {
		t.Fatal(err)
	}
	lines, crates := checkTree(t, mem)
	if len(lines) != 1 || lines[0] != "foo 1.1.0" || len(crates) != 1 {
		t.Errorf("lines %q, files %q", lines, crates)
	}
}

func TestParseLayout(t *testing.T) {
	for _, l := range []Layout{Static, Panamax, LocalRegistry} {
		if got, err := ParseLayout(l.String()); err != nil || got != l {
			t.Errorf("%s: %v, %v", l, got, err)
		}
	}
	if _, err := ParseLayout("vendor"); err == nil {
		t.Error("vendor is a layout")
	}
}
