package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// ordeal is an extraction that is cut off, or whose disk fails, at every one of
// its operations.
type ordeal struct {
	all    []item
	media  *media
	name   string // of the bundle or segment
	occupy bool   // there are other bytes under the name of one crate, which go to quarantine
}

// ordeals are all of them, by name.
func ordeals(t *testing.T) map[string]*ordeal {
	t.Helper()
	list := map[string]*ordeal{}
	for format, build := range formats {
		for _, occupy := range []bool{false, true} {
			o := &ordeal{all: large(), media: newMedia(t), name: name, occupy: occupy}
			o.media.write(name, build(t, o.all))
			o.media.manifest(o.all)
			list[fmt.Sprintf("%s, occupied=%t", format, occupy)] = o
		}
	}
	o := &ordeal{all: gzipped(t, "some", 3), media: newMedia(t), name: deep.FileName(0)}
	o.media.segment(0, true, o.all[:2], o.all) // which is where two small packs were put together
	list["segment"] = o
	return list
}

// stranger is the file under the name of the second crate.
var stranger = []byte("not the crate")

func (o *ordeal) disk(t *testing.T) *durabletest.Mem {
	t.Helper()
	mem := durabletest.NewMem()
	if o.occupy {
		p := o.all[1].ID.LoosePath()
		must(t, mem.MkdirAll(path.Dir(p)))
		must(t, durable.WriteFile(mem, p, stranger))
		must(t, mem.SyncAll())
	}
	return mem
}

func (o *ordeal) extract(t *testing.T, out durable.FS) (*Summary, error) {
	t.Helper()
	st, err := loose.Open(out, loose.Batch)
	if err != nil {
		return nil, err
	}
	return Run(t.Context(), Config{Bundles: o.media.mem, Names: []string{o.name}, Store: st, Out: out, Overwrite: o.occupy, Unverified: isSegment(o.name)})
}

// look wants nothing under a crate's name but the crate, or what stood there.
func (o *ordeal) look(t *testing.T, disk *durabletest.Mem) {
	t.Helper()
	p := o.all[1].ID.LoosePath()
	if there, err := durable.ReadFile(disk, p, 1<<20); o.occupy && err == nil && bytes.Equal(there, stranger) {
		disk = disk.Kill()
		must(t, disk.Remove(p))
	}
	held(t, disk, o.all)
}

// recover wants the next run to complete, what stood in the way to be kept, and
// nothing temporary to be left.
func (o *ordeal) recover(t *testing.T, disk *durabletest.Mem) {
	t.Helper()
	s, err := o.extract(t, disk)
	must(t, err)
	wantProblems(t, s, nil, "")
	wantHeld(t, disk, o.all, o.all)
	if left := filesIn(t, disk, loose.StateDir+"/tmp"); len(left) > 0 {
		t.Errorf("temporary files: %v", left)
	}
	if o.occupy {
		o.wantKept(t, disk)
	}
}

// wantKept wants what stood in the way to be in quarantine.
func (o *ordeal) wantKept(t *testing.T, disk *durabletest.Mem) {
	t.Helper()
	entries, err := disk.ReadDir("quarantine")
	must(t, err)
	for _, e := range entries {
		if data, err := durable.ReadFile(disk, "quarantine/"+e.Name(), 1<<20); err == nil && bytes.Equal(data, stranger) {
			return
		}
	}
	t.Errorf("what stood there was not kept: %v", entries)
}

// F12, C1, C3: killed at any operation on the disk, or without power, the next
// run converges, and at no time is there a wrong crate.
func TestF12KilledAnywhere(t *testing.T) {
	for what, o := range ordeals(t) {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 12))
			first, step := durabletest.Every(11, rnd)
			for n := first + 1; ; n += step {
				disk := o.disk(t)
				var wrecks []*durabletest.Mem
				out := durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
					if op.N == n {
						wrecks = append(wrecks, disk.Kill(), disk.Crash(rnd), disk.Crash(rnd))
					}
					return durabletest.Fault{}
				})
				_, err := o.extract(t, out)
				must(t, err)
				if out.Ops() < n {
					break
				}
				for _, wreck := range wrecks {
					o.look(t, wreck)
					o.recover(t, wreck)
				}
				if t.Failed() {
					t.Fatalf("operation %d", n)
				}
			}
		})
	}
}

// C7, C12: any operation fails, once or it and all that follow, carried out or
// not. What got its name is whole, and the next run takes the rest.
func TestC12AnyOperationFails(t *testing.T) {
	for what, o := range ordeals(t) {
		for _, cause := range []error{durable.ErrNoSpace, syscall.EIO} {
			t.Run(fmt.Sprintf("%s, %v", what, cause), func(t *testing.T) {
				t.Parallel()
				for mode := range 4 {
					sticky, persisted := mode&1 != 0, mode&2 != 0
					first, step := durabletest.Every(31, nil)
					for n := first + 1; o.fail(t, n, cause, sticky, persisted); n += step {
						if t.Failed() {
							t.Fatalf("operation %d, sticky=%t, persisted=%t", n, sticky, persisted)
						}
					}
				}
			})
		}
	}
}

func (o *ordeal) fail(t *testing.T, n int, cause error, sticky, persisted bool) bool {
	t.Helper()
	disk := o.disk(t)
	out := durabletest.FailAt(disk, n, cause, sticky, persisted)
	s, err := o.extract(t, out)
	if out.Ops() < n {
		return false
	}
	if err != nil && !errors.Is(err, cause) {
		t.Errorf("%v, want %v", err, cause)
	}
	if err == nil && s.Sound() && s.Complete() { // which is fine, if it is true
		wantHeld(t, disk, o.all, o.all)
	}
	o.look(t, disk)
	o.recover(t, disk)
	return true
}

// filesIn lists the files of a folder and its subfolders.
func filesIn(t *testing.T, disk durable.Reader, dir string) (files []string) {
	t.Helper()
	entries, err := disk.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := path.Join(dir, e.Name()); e.IsDir() {
			files = append(files, filesIn(t, disk, name)...)
		} else {
			files = append(files, name)
		}
	}
	return files
}
