package loose

import (
	"context"
	"errors"
	"os"
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
		if err := s.Put(context.Background(), id, store.Body{Data: []byte("x"), Size: 1}); err != nil {
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

// C18: what stands under a crate's name and is no file is neither the crate nor
// absent, and its neighbours do not suffer.
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
		if _, err := s.Open(id); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Open(%v) = %v, want not a regular file", id, err)
		}
	}
	for _, id := range []crate.ID{folder, link, good} {
		if err := s.Put(context.Background(), id, store.Body{Data: []byte("x"), Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	refused, err := s.Checkpoint(context.Background())
	if err != nil || len(refused) != 2 {
		t.Errorf("Checkpoint = %v, %v; want two refusals", refused, err)
	}
	if size, err := s.Stat(good); err != nil || size != 1 {
		t.Errorf("the neighbour: %d, %v", size, err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(tempDir))); err != nil || len(entries) > 0 {
		t.Errorf("temporary files left: %v, %v", entries, err)
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
		if err := s.Put(context.Background(), id, store.Body{Data: data, Size: int64(len(data))}); err != nil {
			b.Fatal(err)
		}
		if i%4096 == 4095 || i == b.N-1 {
			if _, err := s.Checkpoint(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
}
