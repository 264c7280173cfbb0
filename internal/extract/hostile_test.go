package extract

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// crafted returns bundles of both formats in which the second of three members
// has a header that change has changed: one frame over all, and a frame each.
func crafted(t *testing.T, change func(*tar.Header)) map[string][]byte {
	t.Helper()
	all := items()[:3]
	n := 0
	second := func(h *tar.Header) {
		if n++; n == 2 {
			change(h)
		}
	}
	whole := tarball(t, all, second)
	n = 1
	one := tarball(t, all[1:2], second)
	first, last := ours(t, all[:1]), ours(t, all[2:])
	framed := bytes.Clone(first[:memberEnds(t, first)[0]])
	framed = append(framed, frame(t, one[:len(one)-1024])...) // without the end of the archive
	return map[string][]byte{"v1.1.0": compress(t, whole), "ours": append(framed, last...)}
}

// frame is a frame as our format has them.
func frame(t testing.TB, content []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderCRC(true))
	must(t, err)
	return z.EncodeAll(content, nil)
}

// F1, F2, F6, F15: a member that is not a plain file under the path of a crate
// is rejected, whatever it is; nothing appears but crates under their names.
func TestF1F2F6F15HostileMembers(t *testing.T) {
	all := items()[:3]
	for what, change := range map[string]func(*tar.Header){
		"F1 up":            func(h *tar.Header) { h.Name = "../x" },
		"F1 up within":     func(h *tar.Header) { h.Name = "a/../../x-1.0.0.crate" },
		"F1 absolute":      func(h *tar.Header) { h.Name = "/tmp/x-1.0.0.crate" },
		"F1 drive":         func(h *tar.Header) { h.Name = `C:\x-1.0.0.crate` },
		"F1 backslash":     func(h *tar.Header) { h.Name = `x\..\x-1.0.0.crate` },
		"F1 wrong folder":  func(h *tar.Header) { h.Name = "z/zz/Serde_json-1.0.0-rc.1+b.crate" },
		"F1 state":         func(h *tar.Header) { h.Name = ".clonecratesio/lock" },
		"F2 symbolic link": func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0 },
		"F2 hard link":     func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeLink, "a/a-1.0.0.crate", 0 },
		"F2 FIFO":          func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeFifo, 0 },
		"F2 device":        func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeChar, 0 },
		"F2 folder":        func(h *tar.Header) { h.Typeflag, h.Size, h.Name = tar.TypeDir, 0, "S/er/" },
		"F6 PAX size":      func(h *tar.Header) { h.PAXRecords = map[string]string{"VENDOR.size": "0"} },
		"F6 GNU":           func(h *tar.Header) { h.Format = tar.FormatGNU },
		"F6 GNU long name": func(h *tar.Header) { h.Format, h.Name = tar.FormatGNU, strings.Repeat("x", 200) },
		"F6 global header": func(h *tar.Header) {
			*h = tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"path": "x"}}
		},
		"F15 escape":        func(h *tar.Header) { h.Name = "\x1b[2J\r\x07-1.0.0.crate" },
		"F15 line feed":     func(h *tar.Header) { h.Name = "x\nerror: all is well" },
		"F15 right to left": func(h *tar.Header) { h.Name = "\u202exyz-1.0.0.crate" },
	} {
		for format, b := range crafted(t, change) {
			t.Run(what+" "+format, func(t *testing.T) {
				m := newMedia(t)
				m.write(name, b)
				s, out := extracted(t, m, Config{Index: indexOf(t, all)})
				got := held(t, out, all)
				if s.Sound() || len(got) == 0 || strings.Contains(fmt.Sprint(got), all[1].ID.String()) {
					t.Errorf("held %q, %+v", got, s)
				}
				for _, p := range s.Problems {
					if text := p.Error(); strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
						t.Errorf("the problem has control characters: %q", text)
					}
				}
			})
		}
	}
}

// F4: a small file that becomes large is given up, in both formats, before it
// fills the disk.
func TestF4Bomb(t *testing.T) {
	bomb := item{ID: crate.ID{Name: "bomb", Version: "1.0.0"}, Data: make([]byte, 96<<20)}
	good := items()[0]
	for format, build := range formats {
		for by, cfg := range map[string]Config{"index": {Index: indexOf(t, []item{good, bomb})}, "itself": {Unverified: true}} {
			m := newMedia(t)
			b := build(t, []item{good, bomb})
			m.write(name, b)
			s, out := extracted(t, m, cfg)
			if len(b) > 1<<20 {
				t.Fatalf("the bomb has %d bytes", len(b))
			}
			want := []item{good}
			if format == "v1.1.0" && by == "itself" {
				want = nil // its only checksum is at its end
			}
			wantHeld(t, out, []item{good}, want)
			wantText := "holds more than 20 times its size"
			if s.Sound() || !strings.Contains(s.Problems[0].Error(), wantText) {
				t.Errorf("%s by %s: %v", format, by, s.Problems)
			}
			if s.Bytes > 1<<20 {
				t.Errorf("%s by %s: %d bytes were written", format, by, s.Bytes)
			}
		}
	}
}

// F4: what is not extracted counts too: a second member of the same name, and one
// that is no crate, decode to as much as any other.
func TestF4BombOfWhatIsNotExtracted(t *testing.T) {
	good := items()[0]
	zeros := make([]byte, 96<<20)
	twice := item{ID: good.ID, Data: zeros}
	other := item{ID: crate.ID{Name: "other", Version: "1.0.0"}, Data: zeros}
	for what, b := range map[string][]byte{
		"twice": ours(t, []item{good, twice}),
		"no crate": compress(t, tarball(t, []item{good, other}, func(h *tar.Header) {
			if h.Size == int64(len(zeros)) {
				h.Name = "README"
			}
		})),
	} {
		m := newMedia(t)
		m.write(name, b)
		s, _ := extracted(t, m, Config{Index: indexOf(t, []item{good})})
		if text := fmt.Sprint(s.Problems); s.Sound() || !strings.Contains(text, "holds more than 20 times its size") {
			t.Errorf("%s: a file of %d bytes was decoded to more than %d; problems %s", what, len(b), len(zeros), text)
		}
	}
}

// F5: 31 bytes that ask for a window of 512 MiB.
func TestF5Window(t *testing.T) {
	b := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x98}, make([]byte, 25)...)
	m := newMedia(t)
	m.write(name, b)
	s, out := extracted(t, m, Config{Index: indexOf(t, items())})
	wantHeld(t, out, nil, nil)
	wantProblems(t, s, map[Kind]int64{Damaged: 1}, "window size exceeded")
}

// F7: mode, owner and time of a member do not matter.
func TestF7ModesAndOwners(t *testing.T) {
	all := items()
	b := compress(t, tarball(t, all, func(h *tar.Header) {
		h.Mode, h.Uid, h.Gid, h.ModTime = 0o4777, 0, 0, time.Now().Add(1000*time.Hour)
	}))
	m := newMedia(t)
	m.write(name, b)
	dir := t.TempDir()
	out, err := durable.Create(dir)
	must(t, err)
	defer out.Close()
	s, err := extractTo(t, out, m.mem, Config{Index: indexOf(t, all)})
	must(t, err)
	wantProblems(t, s, nil, "")
	for _, it := range all {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(it.ID.LoosePath())))
		must(t, err)
		if info.Mode().Perm()&0o133 != 0 || info.Mode()&os.ModeSetuid != 0 || info.ModTime().After(time.Now().Add(time.Hour)) {
			t.Errorf("%s: %v, %v", it.ID, info.Mode(), info.ModTime())
		}
	}
}

// F8: a second member of the same name with other bytes is told, and never the
// one that stays; the same bytes again are harmless.
func TestF8Duplicates(t *testing.T) {
	all := items()
	forged := item{ID: all[0].ID, Data: noise(100, 77)}
	for format, build := range formats {
		for what, members := range map[string][]item{
			"forged last": {all[0], all[1], forged}, "forged first": {forged, all[1], all[0]},
		} {
			m := newMedia(t)
			m.write(name, build(t, members))
			s, out := extracted(t, m, Config{Index: indexOf(t, all)})
			got := held(t, out, all)
			if s.Sound() || len(got) < 1 {
				t.Errorf("%s, %s: held %q, %+v", format, what, got, s)
			}
		}
		m := newMedia(t)
		m.write(name, build(t, append(items(), all[0])))
		s, out := extracted(t, m, Config{Index: indexOf(t, all)})
		wantHeld(t, out, all, all)
		wantProblems(t, s, nil, "")
	}
}

// F8: spellings of a name that differ in case are different crates, and the index must
// know each. F8, A8: two bundles, each with a manifest of its own, have different bytes
// of a version. Without an index, the higher number has those of now, also if it is not
// there, and if it is the lower one that was changed since.
func TestF8BundlesThatDisagree(t *testing.T) {
	first := items()[0]
	other := item{ID: first.ID, Data: noise(200, 9)}
	m := newMedia(t)
	for number, it := range []item{first, other} {
		m.write(bundle.FileName(number), ours(t, []item{it}))
		line, err := lists.AppendManifestLine(nil, lists.ManifestEntry{
			Bundle: bundle.Name{Number: number}, Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data)},
		})
		must(t, err)
		m.write(lists.ManifestName(bundle.Name{Number: number}, "a", "a"), line)
	}
	for _, interval := range []time.Duration{time.Nanosecond, time.Hour} {
		s, out := extracted(t, m, Config{Interval: interval})
		wantHeld(t, out, []item{other}, []item{other})
		wantProblems(t, s, nil, "")
		if s.Superseded != 1 || s.Extracted != 1 {
			t.Errorf("%+v", s.Counts)
		}
	}
	must(t, m.mem.Remove(bundle.FileName(1)))
	s, out := extracted(t, m, Config{})
	wantHeld(t, out, nil, nil)
	if s.Complete() || s.Superseded != 1 {
		t.Errorf("the later bundle is lost: %+v", s.Counts)
	}
}

func TestF8CaseVariants(t *testing.T) {
	lower, upper := item{ID: crate.ID{Name: "serde", Version: "1.0.0"}, Data: noise(10, 1)}, item{ID: crate.ID{Name: "Serde", Version: "1.0.0"}, Data: noise(10, 2)}
	m := newMedia(t)
	m.write(name, ours(t, []item{lower, upper}))
	s, out := extracted(t, m, Config{Index: indexOf(t, []item{lower})})
	wantHeld(t, out, []item{lower}, []item{lower})
	wantProblems(t, s, map[Kind]int64{Unknown: 1}, "Serde 1.0.0: at offset 130")
}

// F9, F10: content that the index does not name never gets a name, and a
// manifest that was forged along with it changes nothing.
func TestF9F10ForgedContent(t *testing.T) {
	all := items()
	forged := items()
	forged[1].Data = noise(700, 66)
	stranger := item{ID: crate.ID{Name: "evil", Version: "6.6.6"}, Data: noise(66, 6)}
	forged = append(forged, stranger)
	for format, build := range formats {
		for _, withManifest := range []bool{false, true} {
			m := newMedia(t)
			m.write(name, build(t, forged))
			if withManifest {
				m.manifest(forged)
			}
			s, out := extracted(t, m, Config{Index: indexOf(t, all)})
			wantHeld(t, out, all, []item{all[0], all[2], all[3]})
			want, text := map[Kind]int64{Wrong: 1, Unknown: 1}, "sha256 of its 700 bytes is %x, but must be %x"
			if withManifest { // which makes it look like what the version was once (A8)
				want, text = map[Kind]int64{Missing: 1, Unknown: 1}, "sha256 of its bytes is %x, as the manifest says, but must be %x"
			}
			wantProblems(t, s, want, fmt.Sprintf(text, sha256.Sum256(forged[1].Data), sha256.Sum256(all[1].Data)))
			if format == "ours" {
				wantProblems(t, s, want, "evil 6.6.6: at offset ")
			}
		}
	}
}

// Manifests that claim more bytes than can be counted ask for more than there is.
func TestF4ClaimsBeyondCounting(t *testing.T) {
	n := need{bytes: maxNeed - 1}
	for range 3 {
		n.add(bundle.MaxSize)
	}
	r := run{cfg: Config{Out: &small{durabletest.NewMem(), 1 << 50, -1}}.withDefaults()}
	if err := r.checkSpace(n); n.bytes != maxNeed || !errors.Is(err, durable.ErrNoSpace) {
		t.Errorf("%d bytes are needed: %v", n.bytes, err)
	}
}
