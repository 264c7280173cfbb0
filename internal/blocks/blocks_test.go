package blocks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func key(name, version string, sum byte) crate.Key {
	return crate.Key{ID: crate.ID{Name: name, Version: version}, Checksum: crate.Checksum{sum}}
}

// A block hides the versions that it names, and no others.
func TestFind(t *testing.T) {
	sum := crate.Checksum{7}
	for spec, want := range map[string]string{
		"serde":                    "serde 1.0.0, serde 1.0.219, serde 2.0.0-rc.1, SERDE 1.0.0",
		"Serde":                    "serde 1.0.0, serde 1.0.219, serde 2.0.0-rc.1, SERDE 1.0.0",
		"serde@1.0.219":            "serde 1.0.219",
		"serde@>=1.0.219":          "serde 1.0.219, serde 2.0.0-rc.1",
		"serde@<1.0.219":           "serde 1.0.0, SERDE 1.0.0",
		"serde@1":                  "serde 1.0.0, serde 1.0.219, SERDE 1.0.0",
		"serde_json@1.0.0":         "serde-json 1.0.0",
		"sha256:" + sum.String():   "other 1.0.0",
		sum.String():               "other 1.0.0",
		"serde@1.0.219+build.meta": "",
	} {
		b, err := Parse(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		l, err := new(List).With(b)
		if err != nil {
			t.Fatal(err)
		}
		var hidden []string
		for _, k := range []crate.Key{
			key("serde", "1.0.0", 1), key("serde", "1.0.219", 2), key("serde", "2.0.0-rc.1", 3), key("SERDE", "1.0.0", 4), key("serde-json", "1.0.0", 5), key("serde_jso", "1.0.0", 6), key("other", "1.0.0", 7),
		} {
			if l.Find(&k) != nil {
				hidden = append(hidden, k.ID.String())
			}
		}
		if got := strings.Join(hidden, ", "); got != want {
			t.Errorf("%s hides %q, want %q", spec, got, want)
		}
	}
	for _, spec := range []string{"", "@1.0.0", "serde@", "serde@y", "ser de", "../serde@1.0.0", "sha256:00"} {
		if b, err := Parse(spec); err == nil {
			t.Errorf("%q is read as %+v", spec, b)
		}
	}
}

// A file with unknown fields or invalid values is rejected.
func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"format":2,"blocks":[]}`:                                                                 "format 2, want 1",
		`{"format":1,"blocks":[{"crate":"a","only_on":"x"}]}`:                                      "only_on",
		`{"format":1,"blocks":[{"reason":"x"}]}`:                                                   "neither a crate nor a checksum",
		`{"format":1,"blocks":[{"version":"1.0.0","checksum":"` + strings.Repeat("0", 64) + `"}]}`: "version without a crate",
		`{"format":1,"blocks":[{"crate":"a","version":"1.0.0","versions":"^1"}]}`:                  "two of them",
		`{"format":1,"blocks":[{"crate":"a","versions":"^^1"}]}`:                                   "block 1",
		`{"format":1,"blocks":[{"crate":"a/b"}]}`:                                                  "block 1",
		`{"format":1`: "reading blocks.json",
	} {
		if _, err := Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// stores returns a Store of each kind.
func stores(t *testing.T) map[string]Store {
	b, err := bucket.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Store{"folder": Folder(t.TempDir()), "bucket": Bucket(b)}
}

// When many change the blocks at the same time, no change is lost, and a concurrent reader
// always reads a whole list.
func TestChangesAtTheSameTime(t *testing.T) {
	const writers = 6
	for kind, s := range stores(t) {
		var all sync.WaitGroup
		for n := range writers {
			all.Go(func() {
				err := s.Change(t.Context(), func(l *List) (*List, error) {
					return l.With(Block{Crate: fmt.Sprint("c", n), Reason: "x", By: "y", Since: time.Unix(1, 0)})
				})
				if err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			})
		}
		all.Wait()
		l, err := s.Load(t.Context())
		if err != nil || len(l.Blocks) != writers {
			t.Errorf("%s: %+v, %v", kind, l, err)
		}
		err = s.Change(t.Context(), func(l *List) (*List, error) {
			less, there := l.Without(Block{Crate: "C3"})
			if !there {
				t.Errorf("%s: c3 is not there", kind)
			}
			return less, nil
		})
		if l, errLoad := s.Load(t.Context()); err != nil || errLoad != nil || len(l.Blocks) != writers-1 {
			t.Errorf("%s: %+v, %v", kind, l, err)
		}
		stop := errors.New("stop")
		if err := s.Change(t.Context(), func(*List) (*List, error) { return nil, stop }); !errors.Is(err, stop) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// away is a bucket that can be made unreachable.
type away struct {
	bucket.Reader
	down bool
}

func (a *away) Get(ctx context.Context, key string, ask bucket.Ask) (r io.ReadCloser, o bucket.Object, err error) {
	if a.down {
		return nil, o, errors.New("no route to host")
	}
	return a.Reader.Get(ctx, key, ask)
}

// While a bucket is unreachable, what it had blocked stays blocked, also in a server that
// starts then; once it is back, its list counts again.
func TestBucketAway(t *testing.T) {
	b, err := bucket.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	add := func(name string) {
		t.Helper()
		err := Bucket(b).Change(t.Context(), func(l *List) (*List, error) { return l.With(Block{Crate: name, Reason: "x", By: "y"}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	add("evil")
	reader := &away{Reader: b}
	changes := 0
	open := func() *Watch {
		t.Helper()
		w, err := NewWatch(t.Context(), func() { changes++ }, slog.New(slog.DiscardHandler), Folder(state), &Source{Reader: reader, Keep: state})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	blocked := func(w *Watch, name string) bool {
		k := key(name, "1.0.0", 1)
		return w.Find(&k) != nil
	}
	first := open()
	reader.down = true
	again := open()
	for _, w := range []*Watch{first, again} {
		w.Look(t.Context())
		if !blocked(w, "evil") || blocked(w, "worse") {
			t.Error("while the bucket is away, its blocks are not those of before")
		}
	}
	add("worse")
	reader.down = false
	before := changes
	again.Look(t.Context())
	if !blocked(again, "worse") || changes != before+1 {
		t.Errorf("the bucket is there again: %d changes", changes-before)
	}
	again.Look(t.Context())
	if changes != before+1 {
		t.Error("a look that finds nothing else is a change")
	}
	if err := b.Remove(t.Context(), Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	again.Look(t.Context())
	if again.Any() {
		t.Error("what is not in the bucket any more is blocked")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"serde", "serde@1.0.219", "serde@>=1, <2", "sha256:" + strings.Repeat("ab", 32), "@", "a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := Parse(s)
		if err != nil {
			return
		}
		l, err := new(List).With(b)
		if err != nil {
			t.Fatalf("%q is read and cannot be kept: %v", s, err)
		}
		data, err := l.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Read(data)
		if err != nil || len(again.Blocks) != 1 || !again.Blocks[0].same(&b) {
			t.Fatalf("%q is kept as %s: %v", s, data, err)
		}
	})
}
