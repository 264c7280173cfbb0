package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// F3: links in the folder, planted before or while we extract, lead nowhere.
func TestF3LinksInTheFolder(t *testing.T) {
	all := items()
	outside := t.TempDir()
	dir := t.TempDir()
	out, err := durable.Create(dir)
	must(t, err)
	defer out.Close()
	if err := os.Symlink(outside, filepath.Join(dir, "a-")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	must(t, os.MkdirAll(filepath.Join(dir, "a"), 0o755))
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "a", "a-1.0.0.crate")))
	ended := make(chan struct{})
	var racer sync.WaitGroup
	racer.Go(func() {
		target := filepath.Join(dir, "S")
		for {
			select {
			case <-ended:
				return
			default:
				if os.Symlink(outside, target) == nil {
					os.Remove(target)
				}
			}
		}
	})
	m := newMedia(t)
	m.write(name, ours(t, all))
	for range 20 {
		s, err := extractTo(t, out, m.mem, Config{Index: indexOf(t, all)})
		must(t, err)
		if s.Sound() && s.Complete() {
			t.Error("nothing told of the links")
		}
	}
	close(ended)
	racer.Wait()
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v, %v", left, err)
	}
}

// F4: a disk without room for what the manifest names is reported before anything is
// written, with a forged manifest during the run.
func TestF4FreeSpace(t *testing.T) {
	all := items()
	m := newMedia(t)
	m.write(name, ours(t, all))
	m.manifest(all)
	for what, tt := range map[string]struct{ bytes, files int64 }{
		"bytes": {64<<20 + 3*fileUnit - 1, -1}, "inodes": {-1, durable.ReserveFiles + 3},
	} {
		disk := &small{durabletest.NewMem(), tt.bytes, tt.files}
		_, err := extractTo(t, disk, m.mem, Config{})
		if !errors.Is(err, durable.ErrNoSpace) || len(held(t, disk, all)) > 0 {
			t.Errorf("%s: %v, want no space and nothing written", what, err)
		}
	}
	// One crate is empty: it needs an inode and no space.
	disk := &small{durabletest.NewMem(), 64<<20 + 3*fileUnit, durable.ReserveFiles + 4}
	_, err := extractTo(t, disk, m.mem, Config{})
	must(t, err)
	disk.bytes, disk.files = 64<<20, durable.ReserveFiles // what is there already needs nothing
	_, err = extractTo(t, disk, m.mem, Config{})
	must(t, err)
}

// Where there is room for all that a manifest names, a crate is looked for only when it
// is met: it costs a call of the system each time.
func TestEachCrateIsLookedForOnce(t *testing.T) {
	all := items()
	m := newMedia(t)
	m.write(name, ours(t, all))
	m.manifest(all)
	disk := &counting{Mem: durabletest.NewMem()}
	_, err := extractTo(t, disk, m.mem, Config{})
	must(t, err)
	if n := disk.stats.Load(); n != int64(len(all)) {
		t.Errorf("%d looks for %d crates", n, len(all))
	}
}

type counting struct {
	*durabletest.Mem
	stats atomic.Int64 // of crate files
}

func (c *counting) Stat(name string) (fs.FileInfo, error) {
	if path.Ext(name) == ".crate" {
		c.stats.Add(1)
	}
	return c.Mem.Stat(name)
}

type small struct {
	*durabletest.Mem
	bytes, files int64
}

func (s *small) Free() (bytes, files int64, err error) { return s.bytes, s.files, nil }

// F11: other bytes under a crate's name stay and are told, or are set aside.
func TestF11Occupied(t *testing.T) {
	all := large()
	for format, build := range formats {
		t.Run(format, func(t *testing.T) {
			m := newMedia(t)
			m.write(name, build(t, all))
			m.manifest(all)
			out := durabletest.NewMem()
			flipped := bytes.Clone(all[1].Data)
			flipped[5] ^= 1
			for p, data := range map[string][]byte{all[1].ID.LoosePath(): flipped, all[4].ID.LoosePath(): []byte("short")} {
				must(t, out.MkdirAll(filepath.ToSlash(filepath.Dir(p))))
				must(t, durable.WriteFile(out, p, data))
			}
			s, err := extractTo(t, out, m.mem, Config{})
			must(t, err)
			wantProblems(t, s, map[Kind]int64{Occupied: 2}, "S/er/Serde_json-1.0.0-rc.1+b.crate is not the crate, and stays")
			if got, err := durable.ReadFile(out, all[1].ID.LoosePath(), 1000); err != nil || !bytes.Equal(got, flipped) {
				t.Errorf("the file that was there: %v", err)
			}
			s, err = extractTo(t, out, m.mem, Config{Overwrite: true})
			must(t, err)
			wantProblems(t, s, nil, "")
			wantHeld(t, out, all, all)
			if s.Replaced != 2 || s.Quarantined != 2 || s.Extracted != 2 || s.Kept != 3 {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

// F13: a medium that fails in the middle: what was before is kept, the last
// good member and the offset are told, and another run completes it.
func TestF13MediumFails(t *testing.T) {
	all := large()
	for format, build := range formats {
		t.Run(format, func(t *testing.T) {
			m := newMedia(t)
			b := build(t, all)
			m.write(name, b)
			bad := int64(len(b) - 1000)
			out := durabletest.NewMem()
			s, err := extractTo(t, out, failing{m.mem, bad}, Config{Index: indexOf(t, all)})
			must(t, err)
			got := held(t, out, all)
			if s.Sound() || format == "ours" && len(got) != 4 {
				t.Errorf("held %q, %v", got, s.Problems)
			}
			text := s.Problems[0].Error()
			for _, want := range []string{"offset", "input/output error", "the last good member before it is nul 9.9.9"} {
				if !strings.Contains(text, want) {
					t.Errorf("the problem %q does not say %q", text, want)
				}
			}
			s, err = extractTo(t, out, m.mem, Config{Index: indexOf(t, all)})
			must(t, err)
			wantProblems(t, s, nil, "")
			wantHeld(t, out, all, all)
		})
	}
}

// failing is a folder whose files cannot be read from an offset on.
type failing struct {
	durable.Reader
	bad int64
}

func (f failing) Open(name string) (durable.File, error) {
	file, err := f.Reader.Open(name)
	return failingFile{file, f.bad}, err
}

type failingFile struct {
	durable.File
	bad int64
}

func (f failingFile) ReadAt(p []byte, off int64) (int, error) {
	n := max(0, min(int64(len(p)), f.bad-off))
	got, err := f.File.ReadAt(p[:n], off)
	if err == nil && n < int64(len(p)) {
		err = syscall.EIO
	}
	return got, err
}

// A bundle that changes between being looked at and being read is not trusted.
func TestBundleChangesUnderneath(t *testing.T) {
	all := items()
	b := ours(t, all)
	other := items()
	other[0].Data = noise(100, 99)
	m := newMedia(t)
	m.write(name, b)
	st, err := loose.Open(durabletest.NewMem(), loose.Batch)
	must(t, err)
	r := &run{cfg: Config{Store: st}.withDefaults()}
	changed := ours(t, other)
	reader, err := bundle.Open(bytes.NewReader(changed), int64(len(changed)))
	must(t, err)
	end := memberEnds(t, b)[0]
	task := &task{bundle: name, reader: reader, want: sha256.Sum256(all[0].Data),
		Member: bundle.Member{ID: all[0].ID, Size: 100, Placement: bundle.Placement{Offset: 0, FrameSize: end}}}
	must(t, r.do(context.Background(), task))
	wantKind := r.cfg.Progress.Snapshot().Problems[Wrong]
	if _, err := st.Checkpoint(context.Background()); err != nil || wantKind != 1 || r.stored.Load() != 0 {
		t.Errorf("%v, problems %v", err, r.summary.Problems)
	}
	if _, err := st.Open(t.Context(), crate.Key{ID: all[0].ID}, store.Placement{Loose: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was stored: %v", err)
	}
}
