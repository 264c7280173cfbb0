package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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

// From any source of checksums and any format, every crate comes out; a second run keeps
// them all and writes nothing.
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

// Without a source of checksums nothing is touched.
func TestRefusesWithoutChecksums(t *testing.T) {
	m := newMedia(t)
	m.write(name, ours(t, items()))
	out := durabletest.NewMem()
	s, err := extractTo(t, out, m.mem, Config{})
	if missing := (*NoChecksumsError)(nil); !errors.As(err, &missing) || missing.Bundle != name {
		t.Errorf("error %v, want a NoChecksumsError", err)
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
				Bundle: bundle.Name{Number: 1}, Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data)},
			})
			must(t, err)
		}
		m.write(lists.ManifestName(bundle.Name{Number: 1}, "a", "z"), lines)
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
