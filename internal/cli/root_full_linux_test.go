package cli

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// roomy is enough for every registry here, and for the reserve.
const roomy = "size=300m,nr_inodes=20000"

// C7, C9, C10: a disk that is full, or has no inodes left, ends the run with
// exit 12. What was recorded is held, and with more room the same command
// completes without fetching that again.
func TestRootC7NoRoom(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name, opts string
		median     int           // size of a crate file
		delay      time.Duration // of each answer
		args       []string
		texts      []string
		recorded   bool // something was, before the end
	}{
		{"no byte left", "size=1m", 8000, 0, nil,
			[]string{"no space left on device", "free some space"}, false},
		{"no byte left, file by file", "size=1m", 8000, 0, []string{"-durability", "file"},
			[]string{"no space left on device", "free some space"}, false},
		{"reserve of bytes", "size=70m", 40000, 40 * time.Millisecond, []string{"-concurrency", "4"},
			[]string{"bytes are free", "kept in reserve", "free some space"}, true},
		{"no inode left", "size=300m,nr_inodes=100", 500, 0, nil,
			[]string{"no space left on device", "inodes"}, false},
		{"reserve of inodes", "size=300m,nr_inodes=180", 500, 80 * time.Millisecond, []string{"-concurrency", "4"},
			[]string{"inodes are free", "kept in reserve"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newTmpfs(t, t.TempDir(), tt.opts)
			m := newMirroredOn(t, simreg.Generate(400, tt.median, 7), d.dir)
			if tt.delay > 0 {
				m.slow(tt.delay)
			}
			m.want(program.ExitNoSpace, "", tt.args, tt.texts...)
			m.sound()
			ids := m.acknowledged()
			m.holds("the manifest", ids)
			if len(ids) == m.reg.Len() || tt.recorded && len(ids) == 0 {
				t.Errorf("%d of %d versions are recorded as held", len(ids), m.reg.Len())
			}
			d.remount(roomy)
			m.reg.Heal()
			m.complete()
			for _, id := range ids {
				if n := m.reg.Requests(id); n != 1 {
					t.Errorf("%v was held and is fetched again", id)
				}
			}
		})
	}
}

// C7, C9: another program fills the disk at any instant, so that whatever is being
// written then (crate, plan, catalog, manifest) fails.
func TestRootC7SomebodyFillsTheDisk(t *testing.T) {
	const size = 120 << 20
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 7))
	d := newTmpfs(t, t.TempDir(), fmt.Sprintf("size=%d", size))
	m := newMirroredOn(t, simreg.Demo(), d.dir)
	m.slow(5 * time.Millisecond)
	// So that the rest is filled in no time. Runs are too short for the look at
	// the reserve, which comes every second.
	most := filepath.Join(d.dir, "most")
	f, err := os.Create(most)
	must(t, err)
	must(t, errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size-(8<<20)), f.Close()))

	met := 0
	for round := range 20 {
		c := m.start("")
		if round > 0 { // full from the beginning, with a mirror there already
			time.Sleep(time.Duration(rnd.Int64N(int64(400 * time.Millisecond))))
		}
		rest := filepath.Join(d.dir, "rest")
		must(t, fill(rest))
		if code := c.code(patience); code == program.ExitNoSpace {
			met++
		} else if code != program.ExitOK || m.check(true) != nil {
			t.Errorf("round %d: exit code %d, want 12 or, if it was too late, 0\n%s", round, code, c.said())
		}
		m.sound()
		m.holds("the manifest", m.acknowledged())
		must(t, os.Remove(rest))
		if round%4 == 3 { // a new mirror
			// With its log: a run that records nothing leaves the last one's.
			must(t, errors.Join(os.RemoveAll(filepath.Join(d.dir, "out")), os.RemoveAll(filepath.Join(d.dir, "manifest.jsonl"))))
		}
	}
	if met == 0 {
		t.Error("no run ever met the full disk")
	}
	must(t, os.Remove(most))
	m.reg.Heal()
	m.complete()
}

// fill writes to a file until the disk is full.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for len(block) > 0 && err == nil {
		_, err = f.Write(block)
		if errors.Is(err, unix.ENOSPC) {
			block, err = block[:len(block)/2], nil
		}
	}
	return errors.Join(err, f.Close())
}

// C7: the mirror is complete on a disk without a free byte. Even if commands cannot work
// there, they say why.
func TestRootC7FullFromTheBeginning(t *testing.T) {
	d := newTmpfs(t, t.TempDir(), roomy)
	m := newMirroredOn(t, simreg.Demo(), d.dir)
	m.want(program.ExitOK, "", nil)
	rest := filepath.Join(d.dir, "rest")
	must(t, fill(rest))
	m.want(program.ExitNoSpace, "", nil, "no space left", "free some space")
	must(t, m.check(true))
	must(t, os.Remove(rest))
	before := m.reg.TotalRequests()
	m.complete()
	if n := m.reg.TotalRequests() - before; n > 0 {
		t.Errorf("%d requests were made for what was held all the time", n)
	}
}

// C11: a limit on the size of files, whose signal (SIGXFSZ) ends other programs. If a write
// of SQLite exceeds it, the error says only that a write failed.
func TestRootC11FileSizeLimit(t *testing.T) {
	needRoot(t, "sh")
	large := crate.ID{Name: "large", Version: "1.0.0"}
	for _, tt := range []struct {
		name, ulimit string // in blocks of 512 or 1024 bytes: shells differ
		codes        []int
		text         string
	}{
		{"of a crate", "ulimit -f 1024", []int{program.ExitNoSpace}, "file too large"},
		{"of the catalog", "ulimit -f 128", []int{program.ExitNoSpace, program.ExitFailure}, "catalog"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMirroredOn(t, simreg.Demo(), t.TempDir())
			if tt.name == "of a crate" {
				m.reg.Add(simreg.Version{Name: large.Name, Version: large.Version, Size: 4 << 20})
				must(t, m.reg.WriteIndex(filepath.Join(m.dir, "index")))
			}
			c := m.start(tt.ulimit + ` && exec "$@"`)
			if code := c.code(patience); !slices.Contains(tt.codes, code) {
				t.Errorf("exit code %d, want one of %v", code, tt.codes)
			}
			c.says(tt.text)
			m.sound()
			m.holds("the manifest", m.acknowledged())
			m.complete()
		})
	}
}
