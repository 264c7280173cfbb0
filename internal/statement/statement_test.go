package statement

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func keyOf(n int) crate.Key {
	id := crate.ID{Name: fmt.Sprintf("crate-%d", n), Version: "1.0.0+build." + fmt.Sprint(n)}
	return crate.Key{ID: id, Checksum: sha256.Sum256([]byte(id.String()))}
}

// world is a log in memory, and who signs it.
type world struct {
	t      *testing.T
	hashes []tlog.Hash
	signer note.Signer
	verify Verify
}

func newWorld(t *testing.T) *world {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "mirror.example/log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, signer: signer, verify: NoteVerify(verifier)}
}

// grow appends leaves until there are size.
func (w *world) grow(size int64) {
	w.t.Helper()
	for n := w.size(); n < size; n++ {
		more, err := tlog.StoredHashes(n, []byte(Line(keyOf(int(n)))), w)
		if err != nil {
			w.t.Fatal(err)
		}
		w.hashes = append(w.hashes, more...)
	}
}

func (w *world) size() (n int64) {
	for tlog.StoredHashCount(n) < int64(len(w.hashes)) {
		n++
	}
	return n
}

func (w *world) ReadHashes(indexes []int64) (list []tlog.Hash, err error) {
	for _, i := range indexes {
		list = append(list, w.hashes[i])
	}
	return list, nil
}

func (w *world) statement(size int64) *Statement {
	w.t.Helper()
	w.grow(size)
	root, err := tlog.TreeHash(size, w)
	if err != nil {
		w.t.Fatal(err)
	}
	return &Statement{
		Origin: w.signer.Name(), Tree: tlog.Tree{N: size, Hash: root}, Held: size, Named: size, Commit: commit,
		CommitTime: time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC), At: time.Date(2026, 11, 27, 10, 5, 0, 123e6, time.UTC),
		Manifest: Manifest{Size: 1234, Chain: sha256.Sum256([]byte("chain"))},
	}
}

func (w *world) checkpoint(size int64) []byte { return w.madeAt(size, 0) }

// madeAt is a checkpoint that was made later, or earlier.
func (w *world) madeAt(size int64, later time.Duration) []byte {
	w.t.Helper()
	s := w.statement(size)
	s.At = s.At.Add(later)
	data, err := note.Sign(&note.Note{Text: s.Text()}, w.signer)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func (w *world) inclusion(index, size int64) *Inclusion {
	w.t.Helper()
	p := &Inclusion{Key: keyOf(int(index)), Index: index, Checkpoint: w.checkpoint(size)}
	var err error
	if p.Path, err = tlog.ProveRecord(size, index, w); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) consistency(old, later int64) *Consistency {
	w.t.Helper()
	p := &Consistency{Old: w.checkpoint(old), Later: w.checkpoint(later)}
	var err error
	if p.Path, err = tlog.ProveTree(later, old, w); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// The formats of the package comment, to the letter.
func TestFormats(t *testing.T) {
	key := crate.Key{ID: crate.ID{Name: "serde", Version: "1.0.0"}, Checksum: sha256.Sum256(nil)}
	const line = "serde 1.0.0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
	if got := Line(key); got != line {
		t.Errorf("line = %q", got)
	}
	want := sha256.Sum256([]byte("\x00" + line))
	if got := LeafHash(key); got != tlog.Hash(want) {
		t.Errorf("hash of the leaf = %x, want %x", got, want)
	}
	w := newWorld(t)
	text := w.statement(3).Text()
	chain := sha256.Sum256([]byte("chain"))
	wantText := "mirror.example/log\n3\n" + w.statement(3).Hash.String() + "\n" +
		"3 of 3 versions of index commit " + commit + " of 2026-11-27T10:00:00Z held, verified, durable at 2026-11-27T10:05:00.123Z\n" +
		"manifest of 1234 bytes ends with chain " + hex.EncodeToString(chain[:]) + "\n"
	if text != wantText {
		t.Errorf("text = %q, want %q", text, wantText)
	}
	proof := string(w.inclusion(1, 3).Format())
	if !strings.HasPrefix(proof, "c2sp.org/tlog-proof@v1\nextra ") || !strings.Contains(proof, "\nindex 1\n") || !strings.Contains(proof, "\n\nmirror.example/log\n3\n") {
		t.Errorf("proof = %s", proof)
	}
}

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	for _, size := range []int64{1, 2, 3, 255, 256, 257} {
		for _, index := range []int64{0, size / 2, size - 1} {
			p, err := ParseInclusion(w.inclusion(index, size).Format())
			if err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
			s, err := p.Check(w.verify)
			if err != nil || p.Key != keyOf(int(index)) || *s != *w.statement(size) {
				t.Errorf("leaf %d of %d: %+v, %v", index, size, s, err)
			}
		}
		for _, old := range []int64{1, (size + 1) / 2, size} {
			p, err := ParseConsistency(w.consistency(old, size).Format())
			if err != nil {
				t.Fatalf("%d of %d: %v", old, size, err)
			}
			if a, b, err := p.Check(w.verify); err != nil || a.N != old || b.N != size {
				t.Errorf("%d of %d: %v, %v, %v", old, size, a, b, err)
			}
		}
	}
}

// Every single byte that changes is refused, whichever of its bits it is.
func TestEveryByteCounts(t *testing.T) {
	w := newWorld(t)
	checks := map[string]struct {
		data  []byte
		check func([]byte) error
	}{
		"checkpoint": {w.checkpoint(5), func(data []byte) error { _, err := Open(data, w.verify); return err }},
		"inclusion":  {w.inclusion(3, 7).Format(), w.checkInclusion},
		"alone":      {w.inclusion(0, 1).Format(), w.checkInclusion},
		"consistency": {w.consistency(3, 7).Format(), func(data []byte) error {
			p, err := ParseConsistency(data)
			if err == nil {
				_, _, err = p.Check(w.verify)
			}
			return err
		}},
	}
	for name, tt := range checks {
		if err := tt.check(tt.data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range tt.data {
			for _, bit := range bits(i) {
				bad := append([]byte(nil), tt.data...)
				bad[i] ^= 1 << bit
				if tt.check(bad) == nil {
					t.Errorf("%s: bit %d of byte %d of %d may change: %q", name, bit, i, len(bad), bad)
				}
			}
			if tt.check(tt.data[:i]) == nil || tt.check(append(tt.data[:i:i], tt.data[i+1:]...)) == nil {
				t.Errorf("%s: it may end before byte %d, or be without it", name, i)
			}
		}
		if tt.check(append(tt.data[:len(tt.data):len(tt.data)], '\n')) == nil {
			t.Errorf("%s: something may follow", name)
		}
	}
}

// A signature of a key that is there twice is refused: readers of notes look at the
// first alone, so that the other could be anything.
func TestOneSignatureOfAKey(t *testing.T) {
	w := newWorld(t)
	checkpoint := string(w.checkpoint(5))
	_, line, _ := strings.Cut(checkpoint, "\n\n")
	for name, second := range map[string]string{"same": line, "wrong": line[:len(line)-8] + "AAAAAAA=\n"} {
		if _, err := Open([]byte(checkpoint+second), w.verify); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Open([]byte(checkpoint+"— other.example AAAAAAAA\n"), w.verify); err != nil {
		t.Errorf("of another key: %v", err)
	}
}

// bits are those of a byte that are tried: one in turn and the one of the case of
// letters; all if the test is thorough.
func bits(i int) []int {
	if *durabletest.Thorough {
		return []int{0, 1, 2, 3, 4, 5, 6, 7}
	}
	return []int{i % 8, 5}
}

func (w *world) checkInclusion(data []byte) error {
	p, err := ParseInclusion(data)
	if err == nil {
		_, err = p.Check(w.verify)
	}
	return err
}

// A proof of one leaf is none of another, and one of other bytes is none of these.
func TestProofsOfOthers(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		change func(*Inclusion)
		want   string
	}{
		"other bytes":   {func(p *Inclusion) { p.Key.Checksum = sha256.Sum256(nil) }, "the path does not lead from leaf 3 (crate-3 1.0.0+build.3 with sha256 e3b0"},
		"other leaf":    {func(p *Inclusion) { p.Index = 4 }, "the path does not lead from leaf 4"},
		"no such leaf":  {func(p *Inclusion) { p.Index = 7 }, "the proof is about leaf 7 of 7"},
		"negative leaf": {func(p *Inclusion) { p.Index = -1 }, "the proof is about leaf -1 of 7"},
		"short path":    {func(p *Inclusion) { p.Path = p.Path[1:] }, "the path does not lead"},
		"other tree":    {func(p *Inclusion) { p.Checkpoint = w.checkpoint(6) }, "the path does not lead"},
		"other key":     {func(p *Inclusion) { p.Checkpoint = newWorld(t).checkpoint(7) }, "note has no verifiable signatures"},
	} {
		p := w.inclusion(3, 7)
		tt.change(p)
		if _, err := p.Check(w.verify); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// History that was changed, shortened or is another log's is refused.
func TestChangedHistory(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	p := w.consistency(3, 7)
	other.signer, other.verify = w.signer, w.verify
	other.hashes = append(other.hashes, tlog.RecordHash([]byte("changed")))
	before, after := w.madeAt(3, -time.Hour), w.madeAt(7, -time.Hour)
	for name, tt := range map[string]struct {
		p    Consistency
		want string
	}{
		"changed":          {Consistency{p.Path, other.checkpoint(3), p.Later}, "the 3 leaves of the earlier checkpoint are not the first of the later one's 7"},
		"same size":        {Consistency{nil, other.checkpoint(7), p.Later}, "both checkpoints have 7 leaves and not the same root"},
		"other way":        {Consistency{p.Path, p.Later, p.Old}, "the earlier checkpoint has 7 leaves, the later one 3"},
		"same, swapped":    {Consistency{nil, p.Later, after}, "the earlier checkpoint is of 2026-11-27T10:05:00Z, the later one of 2026-11-27T09:05:00Z"},
		"older but longer": {Consistency{p.Path, p.Old, after}, "the earlier checkpoint is of"},
		"path of same":     {Consistency{p.Path, p.Later, p.Later}, "both checkpoints have 7 leaves and not the same root"},
	} {
		if _, _, err := tt.p.Check(w.verify); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	for name, p := range map[string]Consistency{"later": {p.Path, before, p.Later}, "same leaves": {nil, after, p.Later}} {
		if _, _, err := p.Check(w.verify); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cannot be so is refused, even if it is signed.
func TestStatementsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Statement){
		"more held than named":      func(s *Statement) { s.Held = 4 },
		"more held than leaves":     func(s *Statement) { s.Held, s.Named = 9, 9 },
		"negative":                  func(s *Statement) { s.Held = -1 },
		"no leaf":                   func(s *Statement) { s.N, s.Held = 0, 0 },
		"endless":                   func(s *Statement) { s.N = MaxLeaves + 1 },
		"commit":                    func(s *Statement) { s.Commit = "HEAD" },
		"commit, written otherwise": func(s *Statement) { s.Commit = strings.ToUpper("a" + s.Commit[1:]) },
		"origin":                    func(s *Statement) { s.Origin = "a b" },
		"empty origin":              func(s *Statement) { s.Origin = "" },
		"manifest":                  func(s *Statement) { s.Manifest.Size = -1 },
	} {
		s := w.statement(3)
		change(s)
		if got, err := Parse(s.Text()); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	s := w.statement(3)
	s.Manifest = Manifest{}
	s.Held = 2
	if got, err := Parse(s.Text()); err != nil || *got != *s || got.Complete() {
		t.Errorf("without manifest, and incomplete: %+v, %v", got, err)
	}
}

func FuzzLeafLine(f *testing.F) {
	f.Add(Line(keyOf(1)))
	f.Add("a 1.0.0 \n")
	f.Fuzz(func(t *testing.T, line string) {
		if key, err := ParseLine(line); err == nil && (Line(key) != line || key.Check() != nil) {
			t.Errorf("%q is read as %+v", line, key)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte("mirror.example/log\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n3 of 3 versions of index commit " + commit +
		" of 2026-11-27T10:00:00Z held, verified, durable at 2026-11-27T10:05:00.123Z\n\n— a AAAA\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Peek(data); err == nil && !strings.HasPrefix(string(data), s.Text()+"\n") {
			t.Errorf("%q is read as %+v", data, s)
		}
	})
}

func FuzzProof(f *testing.F) {
	f.Add([]byte(inclusionHeader + "extra YSAxLjAuMCAK\nindex 0\n\n"))
	f.Add([]byte(consistencyHeader + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\na\n\nb\n\nc\n\nd\n"))
	never := func([]byte) error { return fmt.Errorf("never") }
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := ParseInclusion(data); err == nil {
			if _, err := p.Check(never); err == nil || string(p.Format()) != string(data) {
				t.Errorf("%q is read as %+v", data, p)
			}
		}
		if p, err := ParseConsistency(data); err == nil {
			if _, _, err := p.Check(never); err == nil || string(p.Format()) != string(data) {
				t.Errorf("%q is read as %+v", data, p)
			}
		}
	})
}
