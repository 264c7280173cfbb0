package tilelog

import "testing"

func FuzzTilePath(f *testing.F) {
	for _, name := range []string{"tile/0/000", "tile/entries/x001/234.p/17", "tile/0/../1"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if tile, err := ParsePath(name); err == nil && Path(tile) != name {
			t.Errorf("%q is read as %v, which is %q", name, tile, Path(tile))
		}
	})
}
