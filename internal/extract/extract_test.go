package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// Whoever vouches, and whatever the format, every crate comes out; a second
// run keeps them all and writes nothing.
func TestExtractsEverything(t *testing.T) {
	all := large()
	ix := indexOf(t, all)
	for format, build := range formats {
		b := build(t, all)
		for by, tt := range map[string]struct {
			cfg      Config
			manifest []item
		}{
			"index":                       {Config{Index: ix}, nil},
			"index and manifest":          {Config{Index: ix}, all},
			"index and half a manifest":   {Config{Index: ix}, all[:2]},
			"manifest":                    {Config{}, all},
			"itself":                      {Config{Unverified: true}, nil},
			"itself and half a manifest":  {Config{Unverified: true}, all[:2]},
			"manifest although permitted": {Config{Unverified: true}, all},
		} {
			t.Run(format+" by "+by, func(t *testing.T) {
				m := newMedia(t)
				m.write(name, b)
				if tt.manifest != nil {
					m.manifest(tt.manifest)
				}
				s, out := extracted(t, m, tt.cfg)
				wantProblems(t, s, nil, "")
				wantHeld(t, out, all, all)
				if s.Extracted != int64(len(all)) || s.Kept != 0 || s.Bundles != 1 || s.Read != int64(len(b)) || s.Size != s.Read {
					t.Errorf("summary %+v", s.Counts)
				}
				var writes atomic.Int64
				again := durabletest.Hook(out, func(op durabletest.Op) durabletest.Fault {
					if op.Kind == durabletest.OpWrite || op.Kind == durabletest.OpPublish {
						writes.Add(1)
					}
					return durabletest.Fault{}
				})
				s, err := extractTo(t, again, m.mem, tt.cfg)
				must(t, err)
				wantProblems(t, s, nil, "")
				if s.Extracted != 0 || s.Kept != int64(len(all)) || writes.Load() > 0 {
					t.Errorf("again: %+v, %d writes", s.Counts, writes.Load())
				}
			})
		}
	}
}

// Without anybody who vouches nothing is touched.
func TestRefusesWithoutVoucher(t *testing.T) {
	m := newMedia(t)
	m.write(name, ours(t, items()))
	out := durabletest.NewMem()
	s, err := extractTo(t, out, m.mem, Config{})
	if unvouched := (*UnvouchedError)(nil); !errors.As(err, &unvouched) || unvouched.Bundle != name {
		t.Errorf("error %v, want an UnvouchedError", err)
	}
	if s.Extracted != 0 || len(held(t, out, items())) > 0 {
		t.Errorf("something was extracted: %+v", s.Counts)
	}
}

// What the manifest names and the bundle has not is missing, not forgotten.
func TestReportsMissing(t *testing.T) {
	for format, build := range formats {
		t.Run(format, func(t *testing.T) {
			all := items()
			m := newMedia(t)
			m.write(name, build(t, all[1:]))
			m.manifest(all)
			s, out := extracted(t, m, Config{})
			wantHeld(t, out, all, all[1:])
			wantProblems(t, s, map[Kind]int64{Missing: 1}, `"bundle-0000.tar.zst": a 1.0.0: the manifest names it`)
			if s.Complete() || !s.Sound() {
				t.Errorf("complete %v, sound %v", s.Complete(), s.Sound())
			}
		})
	}
}

// A bundle that was lost on the way, and has left its manifest, is missing too;
// but for those of its crates that came by another way.
func TestReportsLostBundle(t *testing.T) {
	all := items()
	for by, cfg := range map[string]Config{"manifest": {}, "index": {Index: indexOf(t, all)}} {
		m := newMedia(t)
		m.manifest(all)
		m.write(bundle.FileName(1), ours(t, all[1:3]))
		var lines []byte
		for _, it := range all[1:3] {
			var err error
			lines, err = lists.AppendManifestLine(lines, lists.ManifestEntry{
				Number: 1, Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data)},
			})
			must(t, err)
		}
		m.write(lists.ManifestName(1, "a", "z"), lines)
		s, out := extracted(t, m, cfg)
		wantHeld(t, out, all, all[1:3])
		wantProblems(t, s, map[Kind]int64{Missing: 2}, `"bundle-0000.tar.zst": a 1.0.0: the manifest names it, but the bundle is not there`)
		if s.Bundles != 1 || s.Extracted != 2 || s.Kept != 2 {
			t.Errorf("by %s: %+v", by, s.Counts)
		}
	}
}

// The same crate in two bundles comes out once.
func TestSameCrateInTwoBundles(t *testing.T) {
	m := newMedia(t)
	m.write(name, ours(t, items()))
	m.write(bundle.FileName(1), v110(t, items()))
	s, out := extracted(t, m, Config{Index: indexOf(t, items())})
	wantHeld(t, out, items(), items())
	wantProblems(t, s, nil, "")
	if s.Bundles != 2 {
		t.Errorf("%d bundles", s.Bundles)
	}
}

// E15: of two bundles that hold the same crate one is damaged: the good one gives
// it, and the other is reported. Whichever comes first.
func TestE15OneOfTwoBundlesIsDamaged(t *testing.T) {
	all := items()
	good := ours(t, all)
	bad := bytes.Clone(good)
	bad[memberEnds(t, good)[0]+30] ^= 1
	for first, bundles := range map[string][2][]byte{"good": {good, bad}, "bad": {bad, good}} {
		m := newMedia(t)
		m.write(name, bundles[0])
		m.write(bundle.FileName(1), bundles[1])
		s, out := extracted(t, m, Config{Index: indexOf(t, all)})
		wantHeld(t, out, all, all)
		if s.Sound() || s.Counts.Problems[Damaged] == 0 {
			t.Errorf("%s first: problems %v", first, s.Problems)
		}
	}
}

// A stopped run makes durable what it has done, and says why it ended.
func TestStops(t *testing.T) {
	all := many(500)
	m := newMedia(t)
	m.write(name, ours(t, all))
	m.manifest(all)
	stop := errors.New("stopped by a test")
	ctx, cancel := context.WithCancelCause(context.Background())
	out := durabletest.NewMem()
	s, err := loose.Open(out, loose.Batch)
	must(t, err)
	sum, err := Run(ctx, Config{
		Bundles: m.mem, Names: []string{name}, Out: out,
		Store: &stopping{Store: s, stop: func() { cancel(stop) }},
	})
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want the cause", err)
	}
	if got := held(t, out, all); int64(len(got)) != sum.Extracted || len(got) == 0 {
		t.Errorf("held %q, extracted %d", got, sum.Extracted)
	}
}

func many(n int) (all []item) {
	for i := range n {
		all = append(all, item{ID: crate.ID{Name: fmt.Sprintf("c%d", i%100), Version: fmt.Sprintf("1.%d.0", i/100)}, Data: []byte{byte(i), byte(i >> 8)}})
	}
	return all
}

type stopping struct {
	Store
	stop func()
}

func (s *stopping) Put(ctx context.Context, id crate.ID, b store.Body) (store.Placement, error) {
	s.stop()
	return s.Store.Put(ctx, id, b)
}

// Members without a manifest are looked up together, many versions of a crate
// in one of its files.
func TestManyMembers(t *testing.T) {
	all := many(3000)
	m := newMedia(t)
	m.write(name, ours(t, all))
	s, out := extracted(t, m, Config{Index: indexOf(t, all)})
	wantProblems(t, s, nil, "")
	wantHeld(t, out, all, all)
}

// E3: cut at any byte, the members before the cut come out, the damage is told
// with its place, and the whole bundle completes what the torn one began.
func TestE3TruncatedAtEveryByte(t *testing.T) {
	all := items()
	ix := indexOf(t, all)
	ends := memberEnds(t, ours(t, all))
	for format, build := range formats {
		b := build(t, all)
		first, step := durabletest.Every(5, nil)
		for cut := first; cut < len(b); cut += step {
			m := newMedia(t)
			m.write(name, b[:cut])
			s, out := extracted(t, m, Config{Index: ix})
			got := held(t, out, all)
			if s.Sound() || int64(len(got)) != s.Extracted {
				t.Fatalf("%s cut at %d: held %q, %+v", format, cut, got, s)
			}
			if whole := wholeBefore(ends, cut); format == "ours" && len(got) != whole {
				t.Fatalf("cut at %d: held %q, want %d", cut, got, whole)
			}
			if (cut-first)%50 == 0 {
				m.write(name, b)
				s, err := extractTo(t, out, m.mem, Config{Index: ix})
				must(t, err)
				wantProblems(t, s, nil, "")
				wantHeld(t, out, all, all)
			}
		}
	}
}

// memberEnds are the offsets behind the members of a bundle of ours.
func memberEnds(t testing.TB, b []byte) (ends []int64) {
	t.Helper()
	r, err := bundle.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	for m, err := range r.Members() {
		must(t, err)
		ends = append(ends, m.Offset+m.FrameSize)
	}
	return ends
}

func wholeBefore(ends []int64, cut int) int {
	n := 0
	for n < len(ends) && ends[n] <= int64(cut) {
		n++
	}
	return n
}

// E4, and row 4 of the ten failures of v1.1.0: a flipped bit (of every third,
// so that each bit of a byte has its turn) never makes a
// wrong crate, and never goes unnoticed: in v1.1.0's format unless it changes no
// crate. In ours it costs one crate at most, and those few that change none are
// found by the checksum of the whole bundle.
func TestE4FlipOfEveryBit(t *testing.T) {
	all := items()
	for format, build := range formats {
		t.Run(format, func(t *testing.T) {
			b := build(t, all)
			silent, tried := 0, 0
			first, step := durabletest.Every(13, nil)
			for bit := first; bit < 8*len(b); bit += step {
				bad := bytes.Clone(b)
				bad[bit/8] ^= 1 << (bit % 8)
				m := newMedia(t)
				m.write(name, bad)
				m.manifest(all)
				if format == "ours" {
					m.catalog(b, all)
				}
				s, out := extracted(t, m, Config{})
				got := held(t, out, all)
				tried++
				if s.Sound() && s.Complete() {
					silent++
					if !slices.Equal(got, names(all)) {
						t.Fatalf("bit %d: held %q and nothing told", bit, got)
					}
				}
				if format == "ours" && len(got) < len(all)-1 {
					t.Fatalf("bit %d costs more than a crate: %q", bit, got)
				}
			}
			if format == "ours" && silent > 0 || silent > tried/100+10 { // in a part of them there may be more
				t.Errorf("%d of %d flips are silent", silent, tried)
			}
		})
	}
}

// E4 where the bundle must vouch for itself.
func TestE4FlipUnverified(t *testing.T) {
	all := items()
	for format, build := range formats {
		b := build(t, all)
		first, step := durabletest.Every(23, nil)
		for bit := first; bit < 8*len(b); bit += step {
			bad := bytes.Clone(b)
			bad[bit/8] ^= 1 << (bit % 8)
			m := newMedia(t)
			m.write(name, bad)
			s, out := extracted(t, m, Config{Unverified: true})
			got := held(t, out, all)
			if s.Sound() && s.Complete() && !slices.Equal(got, names(all)) {
				t.Fatalf("%s bit %d: held %q and nothing told", format, bit, got)
			}
			if format == "v1.1.0" && !s.Sound() && len(got) > 0 {
				t.Fatalf("bit %d: held %q of a damaged stream that nobody vouches for", bit, got)
			}
		}
	}
}

// E5, E6: a seek table that is gone or lies costs no crate, but is told.
func TestE5E6SeekTable(t *testing.T) {
	all := items()
	b := ours(t, all)
	for what, bad := range map[string][]byte{
		"E5 cut short": b[:len(b)-7],
		"E5 garbled":   append(bytes.Clone(b[:len(b)-20]), noise(20, 9)...),
		"E6 huge":      append(bytes.Clone(b[:len(b)-9]), 0xff, 0xff, 0xff, 0x7f, 0, 0xb1, 0xea, 0x92, 0x8f),
	} {
		m := newMedia(t)
		m.write(name, bad)
		s, out := extracted(t, m, Config{Index: indexOf(t, all)})
		wantHeld(t, out, all, all)
		if s.Sound() {
			t.Errorf("%s: nothing told", what)
		}
	}
}

// E7: something behind the end of the archive.
func TestE7Trailing(t *testing.T) {
	all := items()
	for format, build := range formats {
		for what, more := range map[string][]byte{"garbage": noise(100, 1), "another bundle": ours(t, items()[:1])} {
			m := newMedia(t)
			m.write(name, append(build(t, all), more...))
			s, out := extracted(t, m, Config{Index: indexOf(t, all)})
			held(t, out, all)
			if format == "ours" || what == "garbage" { // the other is taken for a damaged one of ours
				wantHeld(t, out, all, all)
			}
			if s.Sound() {
				t.Errorf("%s with %s: nothing told", format, what)
			}
		}
	}
}

// A bundle of ours is decoded once: what was decoded and hashed while it was walked
// through is what is stored.
func TestOnePass(t *testing.T) {
	all := append(items(), item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(12*inMemory, 3)})
	b := ours(t, all)
	m := newMedia(t)
	m.write(name, b)
	m.manifest(all)
	m.catalog(b, all) // and its checksum costs no pass either
	read := &counted{Reader: m.mem}
	out := durabletest.NewMem()
	s, err := extractTo(t, out, read, Config{})
	must(t, err)
	wantHeld(t, out, all, all)
	wantProblems(t, s, nil, "")
	// A large frame is looked through for its end before it is decoded.
	if most := int64(len(b)) * 9 / 4; read.n.Load() > most {
		t.Errorf("%d bytes were read of a bundle of %d", read.n.Load(), len(b))
	}
}

// counted counts the bytes that are read from a folder at random.
type counted struct {
	durable.Reader
	n atomic.Int64
}

func (c *counted) Open(name string) (durable.File, error) {
	f, err := c.Reader.Open(name)
	return countedFile{f, &c.n}, err
}

type countedFile struct {
	durable.File
	n *atomic.Int64
}

func (c countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

// E4: a bundle whose members are all good and which was changed all the same is
// named once, by extraction and by inspection.
func TestE4WholeBundleIsCompared(t *testing.T) {
	all := items()
	b := ours(t, all)
	other := append(bytes.Clone(b), b...)
	m := newMedia(t)
	m.write(name, b)
	m.manifest(all)
	m.catalog(other, all)
	s, out := extracted(t, m, Config{Index: indexOf(t, all)})
	wantHeld(t, out, all, all)
	wantProblems(t, s, map[Kind]int64{Damaged: 1}, "but bundles.index.jsonl says")
	if s.Sound() {
		t.Error("it is called sound")
	}
	report, err := Inspect(context.Background(), m.mem, name, func(bundle.Member) error { return nil })
	must(t, err)
	if len(report.Problems) != 1 {
		t.Errorf("inspection: %v", report.Problems)
	}
	m.catalog(b, all) // a later line stands
	s, _ = extracted(t, m, Config{})
	wantProblems(t, s, nil, "")
	must(t, durable.WriteFile(m.mem, bundle.FileName(1), b[:len(b)-10])) // no line
	bad := append(bytes.Clone(b[:len(b)-20]), noise(20, 9)...)
	must(t, m.mem.Remove(name))
	m.write(name, bad)
	s, _ = extracted(t, m, Config{Index: indexOf(t, all)})
	wantProblems(t, s, map[Kind]int64{Damaged: 2}, "seek table is missing or wrong")
}
