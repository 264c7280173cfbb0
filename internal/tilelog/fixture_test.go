package tilelog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

func keyOf(n int64) crate.Key {
	id := crate.ID{Name: fmt.Sprintf("crate-%d", n), Version: "1.0.0"}
	return crate.Key{ID: id, Checksum: sha256.Sum256([]byte(id.String()))}
}

// signer signs as the mirror of all tests does.
var signer = func() note.Signer {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	vkey, err := note.NewEd25519VerifierKey("mirror.example", key.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		panic(err)
	}
	return &edSigner{verifier.Name(), verifier.KeyHash(), key}
}()

type edSigner struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

func (s *edSigner) Name() string                    { return s.name }
func (s *edSigner) KeyHash() uint32                 { return s.hash }
func (s *edSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// sign makes the checkpoint of a tree, a second later for each day.
func sign(tree tlog.Tree, day int) ([]byte, error) {
	s := &statement.Statement{
		Origin: signer.Name(), Tree: tree, Held: tree.N, Named: tree.N, Commit: fmt.Sprintf("%040d", tree.N),
		CommitTime: time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC), At: time.Date(2026, 11, 27, 10, 0, day, 0, time.UTC),
	}
	return note.Sign(&note.Note{Text: s.Text()}, signer)
}

// appendTo brings a log to size leaves.
func appendTo(fsys durable.FS, size int64, day int) error {
	a, err := Begin(fsys, size-sizeOf(fsys))
	if err != nil {
		return err
	}
	for n := a.size; n < size; n++ {
		if err := a.Add(keyOf(n)); err != nil {
			return err
		}
	}
	tree, err := a.Finish()
	if err != nil {
		return err
	}
	checkpoint, err := sign(tree, day)
	if err != nil {
		return err
	}
	return a.Publish(checkpoint)
}

// sizeOf is the number of leaves that the checkpoint covers.
func sizeOf(fsys durable.Reader) int64 {
	l, err := Open(fsys)
	if err != nil {
		return 0
	}
	return l.N
}

// check wants a log to be whole: of the leaves of keyOf, each of them proved, each
// archived checkpoint consistent with the last, and no file that no checkpoint covers.
func check(fsys durable.FS) error {
	l, err := Open(fsys)
	if err != nil {
		return err
	}
	n := int64(0)
	for key, err := range l.Leaves(t0, 0, l.N) {
		if err != nil || key != keyOf(n) {
			return fmt.Errorf("leaf %d is %v, %w", n, key, err)
		}
		n++
	}
	if n != l.N {
		return fmt.Errorf("%d leaves of %d", n, l.N)
	}
	for _, i := range []int64{0, n / 2, n - 1} {
		p, err := tlog.ProveRecord(n, i, l.Hashes())
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(p, n, l.Hash, i, statement.LeafHash(keyOf(i))); err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
	}
	return checkArchive(fsys, l)
}

func checkArchive(fsys durable.FS, l *Log) error {
	kept := map[int64]bool{}
	for _, name := range files(fsys, archiveDir) {
		data, err := durable.ReadFile(fsys, name, statement.MaxCheckpoint)
		if err != nil {
			return err
		}
		old, err := statement.Peek(data)
		if err != nil {
			return err
		}
		kept[old.N] = true
		proof, err := tlog.ProveTree(l.N, old.N, l.Hashes())
		if err == nil {
			err = tlog.CheckTree(proof, l.N, l.Hash, old.N, old.Hash)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !kept[l.N] {
		return fmt.Errorf("the checkpoint of %d leaves is not archived", l.N)
	}
	return nil
}

// files lists a folder with all that is in it.
func files(fsys durable.Reader, dir string) (list []string) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.Type()&fs.ModeDir != 0 {
			list = append(list, files(fsys, name)...)
			continue
		}
		list = append(list, name)
	}
	return list
}

func content(t *testing.T, fsys durable.Reader, name string) []byte {
	t.Helper()
	data, err := durable.ReadFile(fsys, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
