package registry

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// makeLog makes a log of n leaves, and returns its checkpoint.
func makeLog(t *testing.T, dir string, n int) string {
	t.Helper()
	skey, _, err := note.GenerateKey(rand.Reader, "mirror.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := durable.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	a, err := tilelog.Begin(folder, int64(n))
	for i := 0; i < n && err == nil; i++ {
		err = a.Add(crate.Key{ID: crate.ID{Name: fmt.Sprint("c", i), Version: "1.0.0"}, Checksum: sha256.Sum256(nil)})
	}
	if err != nil {
		t.Fatal(err)
	}
	tree, err := a.Finish()
	if err != nil {
		t.Fatal(err)
	}
	s := &statement.Statement{Origin: signer.Name(), Tree: tree, Held: 1, Named: 1, Commit: strings.Repeat("0", 40), CommitTime: time.Unix(0, 0), At: time.Unix(int64(n), 0)}
	checkpoint, err := note.Sign(&note.Note{Text: s.Text()}, signer)
	if err == nil {
		err = a.Publish(checkpoint)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(checkpoint)
}

// The log is given out under the names of tlog-tiles: tiles permanently, the checkpoint
// for seconds, and nothing that no checkpoint covers.
func TestLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	h := New(Config{Mirror: newFake(), LogDir: dir})
	resp := get(t, h, "/log/checkpoint")
	wantStatus(t, resp, 404)
	if got := body(t, resp); !strings.Contains(got, "clonecratesio attest makes one") {
		t.Errorf("without a log: %q", got)
	}
	checkpoint := makeLog(t, dir, 300)
	resp = get(t, h, "/log/checkpoint")
	wantStatus(t, resp, 200)
	wantHeaders(t, resp, "Content-Type: text/plain; charset=utf-8", "Cache-Control: public, max-age=2")
	if got := body(t, resp); got != checkpoint {
		t.Errorf("checkpoint: %q, want %q", got, checkpoint)
	}
	for path, size := range map[string]int{"/log/tile/0/000": 256 * 32, "/log/tile/0/001.p/44": 44 * 32, "/log/tile/1/000.p/1": 32} {
		resp := get(t, h, path)
		wantStatus(t, resp, 200)
		wantHeaders(t, resp, "Content-Type: application/octet-stream", "Cache-Control: public, max-age=31536000, immutable")
		if got := body(t, resp); len(got) != size {
			t.Errorf("%s: %d bytes, want %d", path, len(got), size)
		}
	}
	if got := body(t, get(t, h, "/log/tile/entries/001.p/44")); !strings.Contains(got, "c256 1.0.0 e3b0") {
		t.Errorf("entries: %q", got)
	}
	for _, name := range []string{"tile/0/001", "tile/0/002", "tile/0/001.p/45"} { // as an append under way may have them
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err == nil {
			_ = os.WriteFile(filepath.Join(dir, name), []byte("not yet"), 0o644)
		}
		wantStatus(t, get(t, h, "/log/"+name), 404)
	}
	for _, path := range []string{"/log/", "/log/pending", "/log/checkpoints", "/log/tile/0/000.p/3", "/log/tile/1152921504606846976/000", "/log/tile/0/../../checkpoint"} {
		wantStatus(t, get(t, h, path), 404)
	}
	if err := os.Rename(filepath.Join(dir, "tile/0/000"), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, get(t, h, "/log/tile/0/000"), 500)
	if err := os.Rename(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "tile/0/000")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"} { // caches keep them
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(whole)
		flipped[len(flipped)/2] ^= 1
		for how, bad := range map[string][]byte{"short": whole[:len(whole)-1], "long": append(whole[:len(whole):len(whole)], 0), "flipped": flipped, "empty": nil} {
			if err := os.WriteFile(filepath.Join(dir, name), bad, 0o644); err != nil {
				t.Fatal(err)
			}
			if resp := get(t, h, "/log/"+name); resp.StatusCode != 500 || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %s, %v", name, how, resp.Status, resp.Header)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), whole, 0o644); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, get(t, h, "/log/"+name), 200)
	}
	wantStatus(t, get(t, New(Config{Mirror: newFake()}), "/log/checkpoint"), 404)
	if err := os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, get(t, h, "/log/checkpoint"), 500)
}
