package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// A life is what a mirror does while a fault happens to it.
type life struct {
	name  string
	begin func(o *ordeal)        // makes what runs start from
	run   func(o *ordeal) *child // which is struck
	lasts time.Duration          // a run that is not
	// shown reports whether the run has reached the phase in which most can go wrong: it
	// takes some milliseconds, which chance seldom hits.
	shown func(o *ordeal) bool
	end   func(o *ordeal) // wants an undisturbed run to complete, and another to do nothing
}

func lives() []*life {
	download := func(args ...string) func(*ordeal) *child {
		return func(o *ordeal) *child { return o.start("", args...) }
	}
	brisk := func(o *ordeal) { o.slow(5 * time.Millisecond) }
	slow := func(o *ordeal) { o.slow(60 * time.Millisecond) }
	const short = 400 * time.Millisecond
	return []*life{
		{"loose", brisk, download(), short, (*ordeal).hasCrates, (*ordeal).complete},
		{"bundles", func(o *ordeal) { brisk(o); o.intoBundles() }, (*ordeal).bundling, short, (*ordeal).hasBundles, (*ordeal).completeBundles},
		{"move", (*ordeal).beginLoose, (*ordeal).bundling, short, (*ordeal).hasBundles, (*ordeal).completeBundles},
		{"extract", (*ordeal).beginMedia, (*ordeal).extracting, short, (*ordeal).hasCrates, (*ordeal).completeExtraction},
		{"repair", (*ordeal).beginDamaged, (*ordeal).repairing, short, (*ordeal).hasQuarantine, (*ordeal).completeRepair},
		{"file by file", brisk, download("-durability", "file"), short, (*ordeal).hasCrates, (*ordeal).complete},
		// Long enough for a commit in the middle, in that of a bundle too.
		{"slow", slow, download("-concurrency", "8"), 2 * time.Second, (*ordeal).hasCrates, (*ordeal).complete},
		{"slow bundle", func(o *ordeal) { slow(o); o.intoBundles() }, download("-concurrency", "8"), 2 * time.Second, (*ordeal).hasRecords, (*ordeal).completeBundles},
	}
}

// An ordeal is a mirror to which the same fault happens again and again.
type ordeal struct {
	*mirrored
	life   *life
	disk   *disk
	rnd    *rand.Rand
	strike func() // what happens

	begun   bool
	media   string            // bundles to extract, on another disk
	spoiled map[crate.ID]bool // damaged on purpose
}

// anywhere is a round at any instant of a run that resumes the one that was struck before.
func (o *ordeal) anywhere() {
	o.t.Helper()
	o.restart(!o.begun)
	c := o.life.run(o)
	time.Sleep(o.some(o.life.lasts))
	o.round(c)
}

// aimed is a round at the instant at which most can go wrong in a new mirror.
func (o *ordeal) aimed() {
	o.t.Helper()
	o.restart(true)
	c := o.life.run(o)
	for ended := false; !ended && !o.life.shown(o); {
		select {
		case <-c.ended:
			ended = true
		case <-time.After(100 * time.Microsecond):
		}
	}
	if o.rnd.IntN(2) == 0 {
		time.Sleep(o.some(20 * time.Millisecond))
	}
	o.round(c)
}

// restart empties the disk and begins a life, if that is wanted.
func (o *ordeal) restart(wanted bool) {
	o.t.Helper()
	if !wanted {
		return
	}
	for _, name := range []string{"out", "bundles", "manifest.jsonl"} {
		must(o.t, os.RemoveAll(filepath.Join(o.dir, name)))
	}
	o.flags, o.spoiled = nil, nil
	o.reg.Heal()
	o.life.begin(o)
	o.begun = true
}

func (o *ordeal) some(most time.Duration) time.Duration {
	return time.Duration(o.rnd.Int64N(int64(most)))
}

// round lets strike happen now, and looks at what it has left.
func (o *ordeal) round(c *child) {
	o.t.Helper()
	before := o.acknowledged()
	o.strike()
	select {
	case <-c.ended:
	case <-time.After(10 * time.Millisecond): // does it claim something yet?
	}
	c.kill()
	o.disk.cycle()
	held := o.look(o.spoiled)
	for _, id := range append(before, o.acknowledged()...) {
		if !held[id] && !o.spoiled[id] {
			o.t.Errorf("the manifest says that %v is held", id)
		}
	}
	if c.cmd.ProcessState.Success() {
		o.begun = false
		if len(held) != o.reg.Len() {
			o.t.Errorf("the run ended with exit code 0, and %d of %d versions are held", len(held), o.reg.Len())
		}
	}
	if o.t.Failed() {
		o.t.Fatalf("%s\n%s", o.life.name, c.said()) // with the mirror as it is
	}
}

// look is oracles O1 and O3: a file under a final name is the crate, and so is each place
// that the catalog records, unless it was spoiled on purpose. It returns the versions
// that are held.
func (m *mirrored) look(spoiled map[crate.ID]bool) (held map[crate.ID]bool) {
	m.t.Helper()
	held = map[crate.ID]bool{}
	m.lookLoose(spoiled, held)
	m.lookCatalogued(spoiled, held)
	return held
}

func (m *mirrored) lookLoose(spoiled, held map[crate.ID]bool) {
	m.t.Helper()
	for _, id := range m.everPublished() {
		data, err := os.ReadFile(m.path(id))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		held[id] = m.proves(id, bytes.NewReader(data), err)
		if !held[id] && !spoiled[id] {
			m.t.Errorf("%v: its loose file, of %d bytes, is not the crate: %v", id, len(data), err)
		}
	}
}

// everPublished returns the versions of upstream, those that it removed included.
func (m *mirrored) everPublished() []crate.ID { return append(m.reg.IDs(), m.reg.Gone()...) }

func (m *mirrored) lookCatalogued(spoiled, held map[crate.ID]bool) {
	m.t.Helper()
	cat, err := openCatalogToRead(m.home().Catalog())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	must(m.t, err)
	defer cat.Close()
	st, closeStore := m.openStore()
	defer closeStore()
	seen := map[string]bool{}
	for _, id := range m.everPublished() {
		if seen[id.Name] {
			continue
		}
		seen[id.Name] = true
		rows, err := cat.Versions(context.Background(), id.Name)
		must(m.t, err)
		for _, v := range rows {
			err := m.isStored(st, &v)
			held[v.ID] = err == nil && slices.Contains(m.published(v.ID), v.Checksum)
			if !held[v.ID] && !spoiled[v.ID] {
				m.t.Errorf("%v is not where the catalog says that it is, %+v: %v", v.ID, v.Placement, err)
			}
		}
	}
}

// isStored reports why the bytes of a row are not where it says. A loose file is
// moved to republished/, and back, before that is recorded.
func (m *mirrored) isStored(st store.Reader, v *catalog.Version) error {
	err := m.storedAt(st, v.ID, v.Placement, v.Checksum)
	if err == nil || !v.Loose {
		return err
	}
	moved := store.Placement{Loose: true}
	if v.Republished == "" {
		moved.Republished = v.Checksum.FileKey()
	}
	if m.storedAt(st, v.ID, moved, v.Checksum) == nil {
		return nil
	}
	return err
}

// storedAt reports why a store does not have bytes in a place.
func (m *mirrored) storedAt(st store.Reader, id crate.ID, at store.Placement, want crate.Checksum) error {
	content, err := st.Open(m.t.Context(), crate.Key{ID: id, Checksum: want}, at)
	if err != nil {
		return err
	}
	h := sha256.New()
	size, err := io.Copy(h, content)
	if got := crate.Checksum(h.Sum(nil)); err == nil && got != want {
		err = &crate.ChecksumError{ID: id, Want: want, Got: got, Size: size}
	}
	return errors.Join(err, content.Close())
}

// proves reports whether r, if there is no err, is the crate, or was once.
func (m *mirrored) proves(id crate.ID, r io.Reader, err error) bool {
	m.t.Helper()
	if err != nil {
		return false
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	return err == nil && slices.Contains(m.published(id), crate.Checksum(h.Sum(nil)))
}

// published returns the checksums of all bytes that upstream ever gave to a version.
func (m *mirrored) published(id crate.ID) []crate.Checksum {
	sums := m.reg.Past(id)
	if now, err := m.reg.Checksum(id); err == nil {
		sums = append(sums, now)
	}
	return sums
}

// hasCrates reports whether there is a folder of crates.
func (o *ordeal) hasCrates() bool {
	entries, _ := os.ReadDir(filepath.Join(o.dir, "out"))
	for _, e := range entries {
		if e.Name() != loose.StateDir {
			return true
		}
	}
	return false
}

func (o *ordeal) hasBundles() bool {
	entries, _ := os.ReadDir(filepath.Join(o.dir, "bundles"))
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), bundle.Ext) {
			return true
		}
	}
	return false
}

func (o *ordeal) hasRecords() bool {
	info, err := os.Stat(filepath.Join(o.dir, "manifest.jsonl"))
	return err == nil && info.Size() > 0
}

func (o *ordeal) hasQuarantine() bool {
	_, err := os.Stat(filepath.Join(o.dir, "out", "quarantine"))
	return err == nil
}

// intoBundles lets runs make bundles.
func (o *ordeal) intoBundles() {
	o.flags = []string{"-bundle", "-bundles-out", filepath.Join(o.dir, "bundles")}
}

// bundling starts a run that makes many bundles.
func (o *ordeal) bundling() *child {
	cmd, out := o.command(smallBundles)
	return begin(o.t, cmd, out)
}

// beginLoose makes a mirror of loose files, which later runs move into bundles.
func (o *ordeal) beginLoose() {
	o.t.Helper()
	o.want(program.ExitOK, "", nil)
	o.intoBundles()
}

// beginMedia makes bundles on another disk.
func (o *ordeal) beginMedia() {
	o.t.Helper()
	if o.media != "" {
		return
	}
	there := *o.mirrored
	there.dir = o.t.TempDir()
	must(o.t, os.Symlink(o.index(), filepath.Join(there.dir, "index")))
	o.media = filepath.Join(there.dir, "bundles")
	there.flags = []string{"-bundle", "-bundles-out", o.media}
	cmd, out := there.command(smallBundles)
	begin(o.t, cmd, out).want(program.ExitOK)
}

func (m *mirrored) index() string {
	m.t.Helper()
	dir, err := filepath.EvalSymlinks(filepath.Join(m.dir, "index"))
	must(m.t, err)
	return dir
}

func (o *ordeal) extracting() *child {
	return o.tell("extract", "-bundles-dir", o.media, "-index-dir", o.index(), "-out", filepath.Join(o.dir, "out"))
}

func (o *ordeal) completeExtraction() {
	o.t.Helper()
	for range 2 {
		o.extracting().want(program.ExitOK)
		must(o.t, o.check(true))
	}
}

// beginDamaged makes a mirror in which some files are damaged.
func (o *ordeal) beginDamaged() {
	o.t.Helper()
	o.want(program.ExitOK, "", nil)
	o.slow(5 * time.Millisecond)
	o.spoiled = map[crate.ID]bool{}
	ids := o.reg.IDs()
	for range 20 {
		id := ids[o.rnd.IntN(len(ids))]
		o.spoiled[id] = true
		must(o.t, os.WriteFile(o.path(id), []byte("not the crate"), 0o644))
	}
}

func (o *ordeal) repairing() *child {
	return o.tell("verify", "-restart", "-repair", "-mirror", o.dir, "-out", filepath.Join(o.dir, "out"), "-crates-base-url", o.server.BaseURL)
}

// completeRepair checks that a repair completes the mirror, and that the damaged files are in
// quarantine, where a user can examine them.
func (o *ordeal) completeRepair() {
	o.t.Helper()
	if !o.begun {
		o.restart(true)
	}
	c := o.repairing()
	if code := c.code(patience); code != program.ExitIntegrity && code != program.ExitOK { // if the last of it was repaired before
		o.t.Errorf("exit code %d, want 4 or 0\n%s", code, c.said())
	}
	must(o.t, os.RemoveAll(filepath.Join(o.dir, "out", "quarantine")))
	o.tell("verify", "-restart", "-mirror", o.dir, "-out", filepath.Join(o.dir, "out")).want(program.ExitOK, human.Count(int64(o.reg.Len()))+" versions hashed")
	o.complete()
}
