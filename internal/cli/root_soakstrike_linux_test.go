package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

func (s *soak) full() {
	s.t.Helper()
	stop := s.served()
	c := s.run()
	s.somewhere()
	rest := filepath.Join(s.dir, "rest")
	must(s.t, fill(rest))
	if code := c.code(patience); code != program.ExitNoSpace && code != program.ExitOK && (code != program.ExitIntegrity || !s.forgot && len(c.refused()) == 0) {
		s.t.Errorf("exit code %d on a full disk\n%s", code, c.said())
	}
	stop()
	must(s.t, os.Remove(rest))
	s.disk.sync() // or a power cut brings it back
	s.sum.fills++
	s.after()
}

func (s *soak) outage() {
	s.t.Helper()
	c := s.run()
	s.somewhere()
	s.server.Down()
	s.somewhere()
	c.kill()
	must(s.t, s.server.Up())
	s.sum.outages++
	s.after()
}

// forget loses the catalog: everything is found again by hashing, and crates in an
// unfinished bundle by a run that makes bundles: to others the bundle may be another
// run's.
func (s *soak) forget() {
	s.t.Helper()
	s.settle()
	if parts, _ := filepath.Glob(filepath.Join(s.dir, "bundles", "*"+bundle.PartExt)); len(parts) > 0 && !s.bundles {
		s.bundles, s.flags = true, append(s.flags, "-bundle")
	}
	for _, ext := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(s.home().Catalog() + ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	s.sum.forgotten++
	s.uncatalogued, s.forgot = true, true // crates in bundles are held, and no catalog records it
	s.kept = map[crate.Key]catalog.Version{}
	s.killed()
	s.uncatalogued = false
	s.settle()
}

// flip changes a bit of a file of the mirror. It is found, and repaired.
func (s *soak) flip() {
	s.t.Helper()
	s.settle()
	file, loose := s.anyFile()
	if file == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(s.t, err)
	info, err := f.Stat()
	must(s.t, err)
	var b [1]byte
	at := s.rnd.Int64N(info.Size())
	_, err = f.ReadAt(b[:], at)
	must(s.t, err)
	b[0] ^= 1 << s.rnd.IntN(8)
	_, err = f.WriteAt(b[:], at)
	must(s.t, errors.Join(err, f.Close()))
	s.sum.flips++

	s.flipped = s.flipped || !loose
	c := s.ask("verify", "-restart")
	code := c.code(patience)
	if code != program.ExitIntegrity && (loose || code != program.ExitOK) {
		s.t.Errorf("a bit of %s was flipped at %d, and verify exits %d\n%s", file, at, code, c.said())
	}
	if code == program.ExitIntegrity {
		s.held = map[crate.ID]int{} // what was damaged is fetched
		if s.rnd.IntN(2) == 0 {
			c := s.repair()
			time.Sleep(time.Duration(s.rnd.Int64N(int64(200 * time.Millisecond))))
			s.strike(c)
		}
		c := s.repair()
		if code := c.code(patience); code != program.ExitIntegrity && code != program.ExitOK { // all may have been repaired before
			s.t.Errorf("a repair ends with exit code %d\n%s", code, c.said())
		}
		must(s.t, os.RemoveAll(filepath.Join(s.dir, "out", "quarantine")))
	}
	s.settle()
}

func (s *soak) repair() *child {
	s.t.Helper()
	return s.ask("verify", "-restart", "-repair", "-crates-base-url", s.server.BaseURL)
}

// anyFile returns one of the mirror's crates or bundles whose versions upstream all still
// has. There may be none. A loose file without a row is not the mirror's: that of a
// removed version whose row was found again in a bundle.
func (s *soak) anyFile() (name string, loose bool) {
	s.t.Helper()
	var files []string
	last := s.irreplaceable()
	known := map[string]bool{}
	for key, row := range s.kept {
		if row.Loose {
			known[filepath.Join(s.dir, "out", filepath.FromSlash(row.Placement.LoosePath(key.ID)))] = true
		}
	}
	extracted := filepath.Join(s.dir, "extracted") // a power cut brings back what was removed there
	err := filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if name == extracted {
			return fs.SkipDir
		}
		if err == nil && d.Type().IsRegular() && (known[name] || strings.HasSuffix(name, bundle.Ext)) && !last[name] {
			files = append(files, name)
		}
		return err
	})
	must(s.t, err)
	if len(files) == 0 {
		return "", false
	}
	name = files[s.rnd.IntN(len(files))]
	return name, strings.HasSuffix(name, crate.Ext)
}

// irreplaceable returns the files with bytes that upstream has removed.
func (s *soak) irreplaceable() map[string]bool {
	s.t.Helper()
	files := map[string]bool{}
	for key, row := range s.kept {
		if sum, err := s.reg.Checksum(key.ID); err == nil && sum == key.Checksum {
			continue
		}
		files[s.path(key.ID)] = true
		files[filepath.Join(s.dir, "bundles", row.Bundle)] = true
		files[filepath.Join(s.dir, "out", filepath.FromSlash(key.RepublishedPath(row.Republished)))] = true
	}
	return files
}

// settle heals upstream: one run completes the mirror, the next has nothing to do, and
// all that is held is hashed.
func (s *soak) settle() {
	s.t.Helper()
	s.sum.faults -= s.faults
	s.faults = 0
	for _, k := range s.brief {
		s.faults += s.reg.Injected(k)
	}
	s.sum.faults += s.faults
	s.reg.Heal()
	s.complete()
	s.after()
	before := s.reg.TotalRequests()
	s.run().want(program.ExitOK)
	if n := s.reg.TotalRequests() - before; n > 0 {
		s.t.Errorf("the mirror is complete, and yet %d requests were made", n)
	}
	s.kept = s.catalogued()
	for _, id := range s.reg.IDs() {
		sum, err := s.reg.Checksum(id)
		must(s.t, err)
		if _, found := s.kept[crate.Key{ID: id, Checksum: sum}]; !found {
			s.t.Errorf("the mirror is complete, and the catalog has nothing of %v with the checksum %v", id, sum)
		}
	}
	s.ask("verify", "-restart").want(program.ExitOK, human.Count(int64(len(s.kept)))+" versions hashed")
	s.after()
	s.sum.checked += len(s.kept)
}
