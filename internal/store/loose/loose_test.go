package loose

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/storetest"
)

func TestContract(t *testing.T) {
	for name, mode := range map[string]Durability{"batch": Batch, "file": PerFile} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, fsys durable.FS) storetest.Store {
				s, err := Open(fsys, mode)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func openBatch(t *testing.T, fsys durable.FS) *Store {
	t.Helper()
	s, err := Open(fsys, Batch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, id crate.ID, text string) {
	t.Helper()
	at, err := s.Put(context.Background(), id, store.Body{Data: []byte(text), Size: int64(len(text))})
	if err != nil || at != (store.Placement{Loose: true}) {
		t.Fatalf("Put = %+v, %v", at, err)
	}
}

var serde, log = crate.ID{Name: "serde", Version: "1.0.0"}, crate.ID{Name: "log", Version: "0.4.0"}

func TestNothingShowsBeforeCheckpoint(t *testing.T) {
	mem := durabletest.NewMem()
	s := openBatch(t, mem)
	put(t, s, serde, "one")
	if _, err := s.Stat(serde); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat before Checkpoint: %v, want not exist", err)
	}
	if len(temporary(t, mem)) == 0 {
		t.Error("the crate waits nowhere")
	}
	openBatch(t, mem) // as after a kill
	if left := temporary(t, mem); len(left) > 0 {
		t.Errorf("temporary files after a new start: %v", left)
	}
}

// temporary lists the files of tmp/.
func temporary(t *testing.T, fsys durable.FS) (files []string) {
	t.Helper()
	dirs, err := fsys.ReadDir(tempDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		entries, err := fsys.ReadDir(path.Join(tempDir, dir.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files = append(files, path.Join(tempDir, dir.Name(), e.Name()))
		}
	}
	return files
}

func TestC17NameTaken(t *testing.T) {
	mem := durabletest.NewMem()
	s := openBatch(t, mem)
	put(t, s, serde, "one")
	if _, err := s.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	put(t, s, serde, "other bytes")
	put(t, s, log, "two")
	outcome, err := s.Checkpoint(context.Background())
	if err != nil || len(outcome.Refused) != 1 || outcome.Refused[0].ID != serde || !errors.Is(outcome.Refused[0].Err, fs.ErrExist) {
		t.Errorf("Checkpoint = %v, %v; want serde 1.0.0 refused as existing", outcome, err)
	}
	for id, want := range map[crate.ID]string{serde: "one", log: "two"} {
		if got, err := durable.ReadFile(mem, id.LoosePath(), 100); err != nil || string(got) != want {
			t.Errorf("%v is %q, %v; want %q", id, got, err, want)
		}
	}
}

// A removal is durable, and takes the folders that it empties.
func TestRemoveLoose(t *testing.T) {
	for _, noSyncAll := range []bool{false, true} {
		mem := durabletest.NewMem()
		mem.NoSyncAll = noSyncAll
		s := openBatch(t, mem)
		serdes := crate.ID{Name: "serdes", Version: "1.0.0"} // in the folder of serde
		for _, id := range []crate.ID{serde, serdes, log} {
			put(t, s, id, "one")
		}
		if _, err := s.Checkpoint(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := s.RemoveLoose([]crate.ID{serde, log, {Name: "absent", Version: "1.0.0"}}); err != nil {
			t.Fatal(err)
		}
		mem = mem.Crash(rand.New(rand.NewPCG(1, 2)))
		for name, want := range map[string]bool{serde.LoosePath(): false, "log": false, serdes.LoosePath(): true} {
			if _, err := mem.Stat(name); (err == nil) != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("noSyncAll=%t: Stat(%s): %v, want it there: %t", noSyncAll, name, err, want)
			}
		}
	}
}

func TestStat(t *testing.T) {
	s := openBatch(t, durabletest.NewMem())
	put(t, s, serde, "one")
	if _, err := s.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	for name, stat := range map[string]func(crate.ID) (int64, error){"Stat": s.Stat, "Listing": storetest.Listing(t, s).Stat} {
		if size, err := stat(serde); err != nil || size != 3 {
			t.Errorf("%s = %d, %v", name, size, err)
		}
		if _, err := stat(log); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want not exist", name, err)
		}
	}
	if _, err := s.Open(t.Context(), crate.Key{ID: log}, store.Placement{Loose: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v, want not exist", err)
	}
	if storetest.Listing(t, s).Holds(serde, store.Placement{Bundle: "bundle-0000.tar.zst", FrameSize: 3}, 3) {
		t.Error("a loose file is said to be in a bundle")
	}
}

// A checkpoint costs two syncs, however many crates there are.
func TestBatchSyncsTwice(t *testing.T) {
	syncs := map[durabletest.Kind]int{}
	s, err := Open(durabletest.Hook(durabletest.NewMem(), func(op durabletest.Op) durabletest.Fault {
		switch op.Kind {
		case durabletest.OpSync, durabletest.OpSyncAll, durabletest.OpSyncDir:
			syncs[op.Kind]++
		}
		return durabletest.Fault{}
	}), Batch)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		id := crate.ID{Name: "crate-" + string(rune('a'+i%26)), Version: "1.0." + string(rune('0'+i/26))}
		if _, err := s.Put(context.Background(), id, store.Body{Data: []byte("x"), Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if syncs[durabletest.OpSyncAll] != 2 || syncs[durabletest.OpSync] != 0 || syncs[durabletest.OpSyncDir] != 0 {
		t.Errorf("syncs = %v, want 2 of the file system", syncs)
	}
}

// C18: something under a crate's name that is no file is neither the crate nor absent,
// and does not affect its neighbours.
func TestC18NameIsAFolderOrLink(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	s, err := Open(fsys, Batch)
	if err != nil {
		t.Fatal(err)
	}
	folder, link, good := crate.ID{Name: "folder", Version: "1.0.0"}, crate.ID{Name: "linked", Version: "1.0.0"}, crate.ID{Name: "good", Version: "1.0.0"}
	at := func(id crate.ID) string { return filepath.Join(dir, filepath.FromSlash(id.LoosePath())) }
	if err := os.MkdirAll(at(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(at(link)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", at(link)); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	for _, id := range []crate.ID{folder, link} {
		if _, err := s.Stat(id); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Stat(%v) = %v, want not a regular file", id, err)
		}
		if _, err := s.Open(t.Context(), crate.Key{ID: id}, store.Placement{Loose: true}); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Open(%v) = %v, want not a regular file", id, err)
		}
	}
	for _, id := range []crate.ID{folder, link, good} {
		if _, err := s.Put(context.Background(), id, store.Body{Data: []byte("x"), Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	outcome, err := s.Checkpoint(context.Background())
	if err != nil || len(outcome.Refused) != 2 {
		t.Errorf("Checkpoint = %v, %v; want two refusals", outcome, err)
	}
	if size, err := s.Stat(good); err != nil || size != 1 {
		t.Errorf("the neighbour: %d, %v", size, err)
	}
	if left := temporary(t, fsys); len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func BenchmarkPutCheckpoint(b *testing.B) {
	fsys, err := durable.Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer fsys.Close()
	s, err := Open(fsys, Batch)
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 2048)
	for i := range b.N {
		id := crate.ID{Name: "crate" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)), Version: "1." + strconv.Itoa(i) + ".0"}
		if _, err := s.Put(context.Background(), id, store.Body{Data: data, Size: int64(len(data))}); err != nil {
			b.Fatal(err)
		}
		if i%4096 == 4095 || i == b.N-1 {
			if _, err := s.Checkpoint(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
}
