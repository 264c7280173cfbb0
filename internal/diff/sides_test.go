package diff

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// row returns a version in a catalog: "foo 1.0.0 a", followed by "yanked", "unlisted",
// "old".
func row(t *testing.T, text string) (v catalog.Version) {
	t.Helper()
	fields := strings.Fields(text)
	v = catalog.Version{ID: crate.ID{Name: fields[0], Version: fields[1]}, Size: 1000, Listed: true,
		VerifiedAt: time.Unix(1, 0), Placement: store.Placement{Loose: true}}
	var err error
	if v.Checksum, err = crate.ParseChecksum(strings.Repeat(fields[2], 64)); err != nil {
		t.Fatal(err)
	}
	for _, what := range fields[3:] {
		switch what {
		case "yanked":
			v.Yanked = true
		case "unlisted":
			v.Listed = false
		case "old":
			v.SupersededAt = time.Unix(2, 0)
		}
	}
	return v
}

// mirror is a side that holds versions.
func mirror(t *testing.T, versions ...string) Side {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c, err := catalog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	batch := catalog.Batch{Revision: &catalog.Revision{Commit: strings.Repeat("c", 40), Time: time.Unix(1_700_000_000, 0)}}
	for _, v := range versions {
		batch.Versions = append(batch.Versions, row(t, v))
	}
	if err := c.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	follower, err := catalog.Follow(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follower.Close() })
	return Mirror{catalog.Live{Follower: follower}}
}

// manifest is a side of lines.
func manifest(t *testing.T, lines ...string) *Manifest {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return openManifest(t, path)
}

func openManifest(t *testing.T, path string) *Manifest {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	m, err := OpenManifest(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(m.dir); !os.IsNotExist(err) {
			t.Errorf("the temporary folder stays: %v", err)
		}
	})
	return m
}

// recorded is a line of a run's manifest.
func recorded(name, version, digit string, ok bool) string {
	return fmt.Sprintf(`{"schema_version":1,"url":"u","size":1000,"sha256":%q,"ok":%t,"crate":%q,"version":%q}`, strings.Repeat(digit, 64), ok, name, version)
}

func differences(t *testing.T, a, b Side) []string {
	t.Helper()
	r, err := Sides(t.Context(), "A", "B", a, b)
	if err != nil {
		t.Fatal(err)
	}
	var changes []Change
	s, err := r.Run(t.Context(), func(c *Change) error {
		changes = append(changes, *c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Differing() != int64(len(changes)) {
		t.Errorf("%d differences were told, and %d counted", len(changes), s.Differing())
	}
	var text []string
	for i, line := range describe(changes) {
		text = append(text, changes[i].Name+" "+line)
	}
	return text
}

func TestMirrors(t *testing.T) {
	a := mirror(t, "Alpha 1.0.0 a", "beta 1.0.0 a", "beta 1.0.0+x a yanked", "delta 1.0.0 a", "delta 1.1.0 a yanked",
		"epsilon 1.0.0 a old", "epsilon 1.0.0 b", "zeta 1.0.0 a unlisted yanked")
	b := mirror(t, "alpha 1.0.0 a", "beta 1.0.0 a yanked", "delta 1.0.0 b yanked", "delta 1.1.0 a",
		"epsilon 1.0.0 b", "gamma 1.0.0 a yanked", "gamma 2.0.0 a old", "zeta 1.0.0 a")
	want := []string{
		"beta yanked 1.0.0 a", "beta removed 1.0.0+x a yanked", "delta republished 1.0.0 b was a", "delta yanked 1.0.0 b",
		"delta unyanked 1.1.0 a", "gamma added 1.0.0 a yanked",
	}
	if diff := cmp.Diff(want, differences(t, a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := differences(t, a, a); got != nil {
		t.Errorf("a mirror differs from itself: %q", got)
	}
}

// The last line of a version counts, errors are no versions, lines of bundles and of v1.1.0
// are understood, and a mirror can be held against a manifest.
func TestManifests(t *testing.T) {
	a := manifest(t,
		recorded("new", "1.0.0", "a", false), recorded("Foo", "1.0.0", "a", true), recorded("lost", "1.0.0", "a", true),
		recorded("new", "1.0.0", "a", true), recorded("lost", "1.0.0", "0", false), recorded("other", "1.0.0", "a", true))
	b := manifest(t, "no JSON",
		`{"url":"https://static.crates.io/crates/foo/foo-1.0.0.crate","bundle_member":"m","sha256":"`+strings.Repeat("a", 64)+`"}`,
		`{"schema_version":1,"url":"https://static.crates.io/crates/other/other-1.0.0.crate","sha256":"`+strings.Repeat("b", 64)+`","ok":true}`,
		`{"schema_version":1,"url":"https://static.crates.io/crates/x/x-1.0.0.crate","sha256":"short","ok":true}`,
		`{"schema_version":1,"url":"https://static`)
	if diff := cmp.Diff([]string{"new removed 1.0.0 a", "other republished 1.0.0 b was a"}, differences(t, a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b.Unread() != 3 {
		t.Errorf("%d lines were not read, want 3", b.Unread())
	}
	of := mirror(t, "foo 1.0.0 a yanked", "new 1.0.0 a", "other 1.0.0 a", "more 1.0.0 b")
	if diff := cmp.Diff([]string{"more added 1.0.0 b yanked"}, differences(t, a, mirror(t, "foo 1.0.0 a yanked", "new 1.0.0 a", "other 1.0.0 a", "more 1.0.0 b yanked"))); diff != "" {
		t.Errorf("manifest and mirror (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"more removed 1.0.0 b"}, differences(t, of, a)); diff != "" {
		t.Errorf("mirror and manifest (-want +got):\n%s", diff)
	}
}

// A manifest that was moved aside is compressed; one that is cut off is no manifest.
func TestCompressedManifest(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	data := z.EncodeAll([]byte(recorded("foo", "1.0.0", "a", true)+"\n"), nil)
	path := filepath.Join(t.TempDir(), "m.jsonl.zst")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"foo removed 1.0.0 a"}, differences(t, openManifest(t, path), manifest(t))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := os.WriteFile(path, data[:len(data)-6], 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := OpenManifest(t.Context(), path, slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("half a file is a manifest: %v", m.Close())
	}
}

// Whatever two sides hold, the differences lead from one to the other.
func TestDifferencesLeadThere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		was, is := randomSide(random), randomSide(random)
		state := map[crate.ID]Version{}
		for _, v := range was {
			state[v.ID] = v
		}
		r, err := Sides(t.Context(), "", "", was, is)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Run(t.Context(), func(c *Change) error {
			v := state[c.ID]
			switch c.Kind {
			case Removed:
				delete(state, c.ID)
				return nil
			case Added:
				v = Version{Key: c.Key, Listed: true, Yanked: c.Yanked}
			case Republished:
				if v.Checksum != c.Was {
					t.Errorf("%s was %s, not %s", c.ID, v.Checksum, c.Was)
				}
				v.Checksum = c.Checksum
			case Yanked, Unyanked:
				v.Yanked = c.Kind == Yanked
			}
			state[c.ID] = v
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[crate.ID]Version{}
		for _, v := range is {
			want[v.ID] = v
		}
		if diff := cmp.Diff(want, state); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// sideOfVersions is a side in memory.
type sideOfVersions []Version

func randomSide(random *rand.Rand) (s sideOfVersions) {
	for i := range 50 {
		v := Version{Listed: true, Yanked: random.IntN(4) == 0}
		v.Name, v.Version = fmt.Sprintf("crate-%d", i/3), fmt.Sprintf("1.%d.0", i%3)
		v.Checksum[0] = byte(random.IntN(2))
		if random.IntN(3) > 0 {
			s = append(s, v)
		}
	}
	slices.SortFunc(s, func(a, b Version) int { return a.compare(&b) })
	return s
}

func (s sideOfVersions) Versions(context.Context) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		for _, v := range s {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (s sideOfVersions) Revision(context.Context) (rev catalog.Revision, err error) { return rev, nil }
func (s sideOfVersions) Unread() int64                                              { return 0 }
func (s sideOfVersions) Close() error                                               { return nil }
func (s sideOfVersions) point(string) (p Point)                                     { return p }

// A catalog that is out of order is an error.
func TestOutOfOrder(t *testing.T) {
	s := sideOfVersions{{Key: crate.Key{ID: crate.ID{Name: "b", Version: "1.0.0"}}}, {Key: crate.Key{ID: crate.ID{Name: "a", Version: "1.0.0"}}}}
	_, err := runSides(t.Context(), s, sideOfVersions{}, func(*Change) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "a 1.0.0 after b 1.0.0") {
		t.Errorf("got %v", err)
	}
}

func TestPrintSides(t *testing.T) {
	a, b := mirror(t, "foo 1.0.0 a", "bar 1.0.0 a"), mirror(t, "foo 1.0.0 b", "bar 1.0.0 a yanked", "new 1.0.0 a")
	r, err := Sides(t.Context(), "/srv/a", "/srv/b", a, b)
	if err != nil {
		t.Fatal(err)
	}
	var text, jsonl bytes.Buffer
	if _, err := r.Print(t.Context(), &text); err != nil {
		t.Fatal(err)
	}
	const want = `from  /srv/a: mirror, of the index at commit cccccccccccccccccccccccccccccccccccccccc of 2023-11-14T22:13:20Z
to    /srv/b: mirror, of the index at commit cccccccccccccccccccccccccccccccccccccccc of 2023-11-14T22:13:20Z
           1  in the second alone (1.0 kB)
           1  with other bytes (1.0 kB)
           1  yanked in the second alone (1.0 kB)

in the second alone:
  new 1.0.0

with other bytes:
  foo 1.0.0  (sha256 aaaaaaaaaaaa… in the first, bbbbbbbbbbbb… in the second)

yanked in the second alone:
  bar 1.0.0
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := r.PrintJSON(t.Context(), &jsonl); err != nil {
		t.Fatal(err)
	}
	sum := strings.Repeat("a", 64)
	if want := `{"change":"added","crate":"new","version":"1.0.0","sha256":"` + sum + `","size":1000}` + "\n"; !strings.HasSuffix(jsonl.String(), want) {
		t.Errorf("no %s at the end of\n%s", want, &jsonl)
	}
	if want := `{"from":{"point":"/srv/a","mirror":true,"commit":"cccccccccccccccccccccccccccccccccccccccc","time":"2023-11-14T22:13:20Z"},`; !strings.HasPrefix(jsonl.String(), want) {
		t.Errorf("no %s at the beginning of\n%s", want, &jsonl)
	}
	same, err := Sides(t.Context(), "A", "A", a, a)
	if err != nil {
		t.Fatal(err)
	}
	text.Reset()
	if _, err := same.Print(t.Context(), io.MultiWriter(&text)); err != nil || !strings.HasSuffix(text.String(), "\nboth hold the same\n") {
		t.Errorf("%v, %s", err, &text)
	}
}
