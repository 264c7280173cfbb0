package extract

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// numbered writes bundles 0, 1, ... with their manifests.
func (m *media) numbered(build func(testing.TB, []item) []byte, bundles ...[]item) {
	m.t.Helper()
	for number, items := range bundles {
		m.write(bundle.FileName(number), build(m.t, items))
		var lines []byte
		for _, it := range items {
			var err error
			lines, err = lists.AppendManifestLine(lines, lists.ManifestEntry{
				Bundle: bundle.Name{Number: number}, Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data)},
			})
			must(m.t, err)
		}
		m.write(lists.ManifestName(bundle.Name{Number: number}, "a", "z"), lines)
	}
}

// earlierPath is where the bytes of an item are kept beside those of now.
func earlierPath(it item) string {
	return it.ID.RepublishedPath(crate.Checksum(sha256.Sum256(it.Data)).FileKey())
}

// A8: a version that was published again is in bundles with its earlier and its current
// bytes, in any order. The current ones come out under its name; earlier ones are
// counted, and come out beside it if that is asked for. A second run has nothing to do.
func TestA8EarlierBytes(t *testing.T) {
	rest := items()[1:]
	for _, size := range []int{300, inMemory + 1} {
		before, now := item{ID: items()[0].ID, Data: noise(size, 1)}, item{ID: items()[0].ID, Data: noise(size+1, 2)}
		want := append(items()[1:], now)
		for format, build := range formats {
			for _, tt := range []struct {
				what    string
				bundles [][]item
				indexed bool
			}{
				{"index, before first", [][]item{{before, rest[0]}, {now, rest[1], rest[2]}}, true},
				{"index, before last", [][]item{{now, rest[0]}, {before, rest[1], rest[2]}}, true},
				{"index, one bundle", [][]item{{before, rest[0], now, rest[1], rest[2]}}, true},
				{"index, one bundle, before last", [][]item{append(append(rest[:2:2], now), rest[2], before)}, true},
				{"manifest", [][]item{{before, rest[0]}, {now, rest[1], rest[2]}}, false},
				{"manifest, one bundle", [][]item{{before, rest[0], now, rest[1], rest[2]}}, false},
			} {
				for _, superseded := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %d bytes, %s, superseded=%t", format, size, tt.what, superseded), func(t *testing.T) {
						m := newMedia(t)
						m.numbered(build, tt.bundles...)
						out := durabletest.NewMem()
						c := &recorder{t: t, disk: out}
						cfg := Config{Superseded: superseded, Catalog: c}
						if tt.indexed {
							cfg.Index = indexOf(t, want)
						}
						for _, what := range []string{"first", "again"} {
							s, err := extractTo(t, out, m.mem, cfg)
							must(t, err)
							wantProblems(t, s, nil, "")
							if s.Superseded != 1 || what == "again" && s.Extracted > 0 {
								t.Errorf("%s: %+v", what, s.Counts)
							}
							got, err := durable.ReadFile(out, earlierPath(before), 1<<30)
							if superseded != (err == nil && bytes.Equal(got, before.Data)) {
								t.Errorf("%s: of the bytes of before, %d, %v", what, len(got), err)
							}
							if superseded {
								continue
							}
							wantHeld(t, out, want, want)
						}
						if got, err := durable.ReadFile(out, now.ID.LoosePath(), 1<<30); err != nil || !bytes.Equal(got, now.Data) {
							t.Errorf("the version has %d bytes, %v", len(got), err)
						}
						if superseded != (len(c.republished) > 0) {
							t.Errorf("the catalog was told of %v", c.republished)
						}
					})
				}
			}
		}
	}
}

// Without other checksums, a bundle says itself which bytes came later.
func TestA8EarlierBytesUnverified(t *testing.T) {
	before, now := item{ID: items()[0].ID, Data: noise(300, 1)}, item{ID: items()[0].ID, Data: noise(300, 2)}
	for format, build := range formats {
		m := newMedia(t)
		m.write(name, build(t, []item{before, items()[1], now}))
		s, out := extracted(t, m, Config{Unverified: true})
		t.Log(format)
		wantProblems(t, s, nil, "")
		wantHeld(t, out, []item{now, items()[1]}, []item{now, items()[1]})
	}
}

// A8: on the next journey a version has other bytes. What was extracted before stays
// until -overwrite says otherwise, and then it is kept as what it was: it is no
// evidence. Other files go to quarantine, as ever.
func TestA8NextJourney(t *testing.T) {
	before, now := item{ID: items()[0].ID, Data: noise(300, 1)}, item{ID: items()[0].ID, Data: noise(400, 2)}
	for format, build := range formats {
		t.Run(format, func(t *testing.T) {
			out := durabletest.NewMem()
			c := &recorder{t: t, disk: out}
			first := newMedia(t)
			first.numbered(build, []item{before})
			_, err := extractTo(t, out, first.mem, Config{Index: indexOf(t, []item{before}), Catalog: c})
			must(t, err)
			next := newMedia(t)
			next.numbered(build, []item{now})
			cfg := Config{Index: indexOf(t, []item{now}), Catalog: c}
			s, err := extractTo(t, out, next.mem, cfg)
			must(t, err)
			wantProblems(t, s, map[Kind]int64{Occupied: 1}, before.ID.String())
			wantHeld(t, out, []item{before}, []item{before})
			cfg.Overwrite = true
			for shelved := int64(1); shelved >= 0; shelved-- {
				s, err = extractTo(t, out, next.mem, cfg)
				must(t, err)
				wantProblems(t, s, nil, "")
				if s.Shelved != shelved || s.Quarantined != 0 || s.Replaced != 0 {
					t.Errorf("%+v", s)
				}
				for p, it := range map[string]item{now.ID.LoosePath(): now, earlierPath(before): before} {
					if got, err := durable.ReadFile(out, p, 1<<20); err != nil || !bytes.Equal(got, it.Data) {
						t.Errorf("%s: %d bytes, %v", p, len(got), err)
					}
				}
			}
			if len(c.republished) != 1 || c.republished[0].Checksum != sha256.Sum256(before.Data) {
				t.Errorf("the catalog was told of %+v", c.republished)
			}
		})
	}
}

// An earlier bundle alone, with a current index: missing versions are reported, but not
// as an alarm.
func TestA8OnlyEarlierBytes(t *testing.T) {
	before, now := item{ID: items()[0].ID, Data: noise(300, 1)}, item{ID: items()[0].ID, Data: noise(400, 2)}
	for format, build := range formats {
		m := newMedia(t)
		m.numbered(build, []item{before, items()[1]})
		s, out := extracted(t, m, Config{Index: indexOf(t, []item{now, items()[1]})})
		wantHeld(t, out, items(), items()[1:2])
		wantProblems(t, s, map[Kind]int64{Missing: 1}, "it was published again, and the bundle with those bytes is not here")
		if !s.Sound() || s.Complete() || s.Superseded != 1 {
			t.Errorf("%s: %+v", format, s.Counts)
		}
	}
}
