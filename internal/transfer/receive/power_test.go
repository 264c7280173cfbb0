package receive

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// A power is that of a machine, which is cut at the n-th operation on any disk: nothing
// works from then on, and afterwards the folders have what was durable, and some of the
// rest. The catalog and the index are as their last write left them, which is the worst:
// they name what may be gone.
type power struct {
	t   *testing.T
	at  int
	rnd *rand.Rand

	mu      sync.Mutex
	ops     int
	op      string // at which it was cut
	folders []*shadowed
}

// wrap is a home.Config.Disk.
func (p *power) wrap(fsys durable.FS) durable.FS {
	s := &shadowed{FS: fsys, mem: durabletest.NewMem(), touched: map[string]bool{}}
	p.folders = append(p.folders, s)
	must(p.t, s.load("."))
	must(p.t, s.mem.SyncAll())
	return durabletest.Hook(s, func(op durabletest.Op) durabletest.Fault {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.ops++; p.ops < p.at {
			return durabletest.Fault{}
		}
		if p.ops == p.at {
			p.op = op.String()
			for _, f := range p.folders {
				f.after = f.mem.Crash(p.rnd)
			}
		}
		return durabletest.Fault{Err: errDead}
	})
}

// comesBack makes the folders below a mirror's what was left on the disks.
func (p *power) comesBack() {
	for _, f := range p.folders {
		if f.after != nil {
			must(p.t, f.restore())
		}
	}
}

// shadowed is a folder whose operations a durabletest.Mem repeats, since that knows what
// is durable.
type shadowed struct {
	durable.FS
	mem     *durabletest.Mem
	after   *durabletest.Mem // the power cut
	touched map[string]bool
}

// load puts what is in the folder into the Mem.
func (s *shadowed) load(dir string) error {
	entries, err := s.FS.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			err = errors.Join(s.mem.MkdirAll(name), s.load(name))
		} else {
			err = copyFile(s.mem, s.FS, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restore makes the folder what is on the disk after the power cut, and closes it.
func (s *shadowed) restore() error {
	for name := range s.touched {
		info, err := s.after.Stat(name)
		if err == nil && info.IsDir() {
			if err := s.FS.MkdirAll(name); err != nil {
				return err
			}
			continue
		}
		if there, err := s.FS.Stat(name); err == nil && !there.IsDir() {
			if err := s.FS.Remove(name); err != nil {
				return err
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			s.removeFolders(path.Dir(name))
			continue
		}
		if err := errors.Join(s.FS.MkdirAll(path.Dir(name)), copyFile(s.FS, s.after, name)); err != nil {
			return err
		}
	}
	return s.FS.Close()
}

// removeFolders removes those that are empty, and are not on the disk either.
func (s *shadowed) removeFolders(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, err := s.after.Stat(dir); !errors.Is(err, fs.ErrNotExist) || s.FS.Remove(dir) != nil {
			return
		}
	}
}

func copyFile(to durable.FS, from durable.Reader, name string) error {
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := to.Create(name)
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	return err
}

// both does something to a name in the folder, and to that of the Mem.
func (s *shadowed) both(name string, do func(durable.FS) error) error {
	s.touched[name] = true
	if err := do(s.FS); err != nil {
		return err
	}
	return do(s.mem)
}

func (s *shadowed) opened(name string, open func(durable.FS) (durable.File, error)) (durable.File, error) {
	s.touched[name] = true
	f, err := open(s.FS)
	if err != nil {
		return nil, err
	}
	shadow, err := open(s.mem)
	return &shadowedFile{f, shadow}, err
}

func (s *shadowed) Create(name string) (durable.File, error) {
	return s.opened(name, func(f durable.FS) (durable.File, error) { return f.Create(name) })
}

func (s *shadowed) CreatePrivate(name string) (durable.File, error) {
	return s.opened(name, func(f durable.FS) (durable.File, error) { return f.CreatePrivate(name) })
}

func (s *shadowed) Append(name string) (durable.File, error) {
	return s.opened(name, func(f durable.FS) (durable.File, error) { return f.Append(name) })
}

func (s *shadowed) MkdirAll(name string) error {
	return errors.Join(s.FS.MkdirAll(name), s.mem.MkdirAll(name))
}

func (s *shadowed) Publish(temp, name string) error {
	s.touched[temp] = true
	return s.both(name, func(f durable.FS) error { return f.Publish(temp, name) })
}

func (s *shadowed) Replace(temp, name string) error {
	s.touched[temp] = true
	return s.both(name, func(f durable.FS) error { return f.Replace(temp, name) })
}

func (s *shadowed) Remove(name string) error {
	return s.both(name, func(f durable.FS) error { return f.Remove(name) })
}

func (s *shadowed) SyncDir(name string) error {
	return errors.Join(s.FS.SyncDir(name), s.mem.SyncDir(name))
}

func (s *shadowed) SyncAll() error { return errors.Join(s.FS.SyncAll(), s.mem.SyncAll()) }

// Close leaves the folder open for restore.
func (s *shadowed) Close() error { return nil }

// shadowedFile is a file that is written in both.
type shadowedFile struct {
	durable.File
	shadow durable.File
}

func (f *shadowedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err == nil {
		_, err = f.shadow.Write(p)
	}
	return n, err
}

func (f *shadowedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err == nil {
		_, err = f.shadow.Seek(int64(n), io.SeekCurrent)
	}
	return n, err
}

func (f *shadowedFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.File.Seek(offset, whence)
	if err == nil {
		_, err = f.shadow.Seek(at, io.SeekStart)
	}
	return at, err
}

func (f *shadowedFile) Truncate(size int64) error {
	return errors.Join(f.File.Truncate(size), f.shadow.Truncate(size))
}
func (f *shadowedFile) Sync() error  { return errors.Join(f.File.Sync(), f.shadow.Sync()) }
func (f *shadowedFile) Close() error { return errors.Join(f.File.Close(), f.shadow.Close()) }

// TestPowerTaking: the power of the far side is cut at every operation of an import, and
// the disks forget what was not synced. The mirror shows what it did before, or all that
// came; the next run completes it.
func TestPowerTaking(t *testing.T) {
	dear(t)
	w := newWorld(t)
	first, medium := filepath.Join(w.dir, "first"), filepath.Join(w.dir, "medium")
	w.export(first, full)
	w.take(first)
	w.publish(true, many("a", 3)...)
	w.publish(false, many("b", 3)...)
	w.export(medium, func(cfg *send.Config) { cfg.Parity = 5 })
	before, after := shows(t, w.far), shows(t, w.near)
	far := w.far
	defer func() { w.far = far }()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	begin, step := durabletest.Every(sample, nil)
	for n, ended := begin+1, false; !ended && int64(n) <= most(); n += step {
		w.far = dirsIn(t.TempDir(), "far")
		must(t, os.CopyFS(w.far.Root, os.DirFS(far.Root)))
		p := &power{t: t, at: n, rnd: rand.New(rand.NewPCG(seed, uint64(n)))}
		cfg := w.config(medium)
		cfg.Home.Disk = p.wrap
		_, err := Run(t.Context(), cfg)
		ended = err == nil
		if ended && p.ops >= n || !ended && !errors.Is(err, errDead) {
			t.Errorf("operation %d of %d, %s: %v", n, p.ops, p.op, err)
		}
		if ended {
			t.Logf("%d operations", p.ops)
		}
		p.comesBack()
		if got := shows(t, w.far); got != before && got != after {
			t.Errorf("operation %d, %s (-before +now):\n%s", n, p.op, cmp.Diff(before, got))
		}
		res, err := Run(t.Context(), w.config(medium))
		if err != nil || shows(t, w.far) != after || len(res.Taken) == 1 && !res.Same {
			t.Fatalf("operation %d, %s, and once more: %+v, %v\n%s", n, p.op, res, err, cmp.Diff(after, shows(t, w.far)))
		}
	}
}
