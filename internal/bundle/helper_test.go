package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// item is a crate to bundle.
type item = bundletest.Item

var (
	noise = bundletest.Noise
	names = bundletest.Names
)

// longID has a path of more than 100 bytes.
var longID = crate.ID{
	Name:    "windows-" + strings.Repeat("x", 40),
	Version: "0.1.0-" + strings.Repeat("a", 40) + "+build.1",
}

// items returns small crates of every shape: with names of one and of 64 letters, empty, of
// one block, compressible, with a PAX header.
func items() []item {
	return []item{
		{ID: crate.ID{Name: "a", Version: "1.0.0"}, Data: []byte("hello")},
		{ID: crate.ID{Name: "Serde_json", Version: "1.0.0-rc.1+b"}, Data: noise(512, 1)},
		{ID: crate.ID{Name: "a-bc", Version: "0.0.1"}, Data: nil},
		{ID: longID, Data: noise(700, 2)},
		{ID: crate.ID{Name: "nul", Version: "9.9.9"}, Data: bytes.Repeat([]byte("abc"), 500)},
	}
}

// build returns the bytes of a finished bundle.
func build(t testing.TB, items []item) ([]byte, Summary) {
	t.Helper()
	m := durabletest.NewMem()
	w, err := Create(m, "b")
	must(t, err)
	for _, it := range items {
		f, err := Encode(nil, it.ID, it.Data)
		must(t, err)
		_, err = w.Append(f)
		must(t, err)
	}
	sum, err := w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := durable.ReadFile(m, "b", 1<<30)
	must(t, err)
	return b, sum
}

// frames returns the frames of raw contents, one after the other, without an end frame, to
// make bundles that we would not write.
func frames(contents ...[]byte) []byte {
	var b []byte
	for _, c := range contents {
		b = encodeAll(b, c)
	}
	return b
}

// tarContent returns the content of a member's frame whose header is ours, except for what
// change does to it. It corrects the checksum of the header afterwards.
func tarContent(id crate.ID, data []byte, change func(header []byte)) []byte {
	b := appendHeader(nil, id, int64(len(data)))
	if change != nil {
		last := b[len(b)-member.BlockSize:]
		change(last)
		copy(last[148:], fmt.Sprintf("%06o\x00 ", member.HeaderSum(last)))
	}
	b = append(b, data...)
	return append(b, make([]byte, member.Padding(int64(len(data))))...)
}

// finish appends the end frame and a seek table to frames.
func finish(t testing.TB, b []byte) []byte {
	t.Helper()
	b = append(b, endFrame()...)
	var entries []byte
	w := newWalker(bytes.NewReader(b), int64(len(b)))
	for offset := int64(0); offset < w.size; {
		s, err := w.shape(offset)
		must(t, err)
		entries = appendEntry(entries, s.size, s.content)
		offset += s.size
	}
	return append(b, tableFrame(entries)...)
}

// read returns what Members yields: "name version" of the members in order (each must be
// among items), and the errors.
func read(t testing.TB, b []byte, items []item) (got []string, errs []error) {
	t.Helper()
	r := &Reader{bytes.NewReader(b), int64(len(b))}
	for m, err := range r.Members() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		checkMember(t, r, m, items)
		got = append(got, m.ID.String())
	}
	return got, errs
}

// checkMember fails the test if m is not one of items, or its bytes differ.
func checkMember(t testing.TB, r *Reader, m Member, items []item) {
	t.Helper()
	for _, it := range items {
		if it.ID != m.ID {
			continue
		}
		if m.Size != int64(len(it.Data)) || m.Checksum != sha256.Sum256(it.Data) {
			t.Fatalf("wrong crate: %s has %d bytes, sha256 %s", m.ID, m.Size, m.Checksum)
		}
		c, err := r.OpenMember(m.Placement)
		must(t, err)
		defer c.Close()
		if data, err := io.ReadAll(c); err != nil || !bytes.Equal(data, it.Data) || c.ID() != it.ID || c.Size() != m.Size {
			t.Fatalf("OpenMember of %s reads %d bytes of %s, %v", m.ID, len(data), c.ID(), err)
		}
		return
	}
	t.Fatalf("wrong crate: %s was never there", m.ID)
}

func errorTexts(errs []error) string { return fmt.Sprint(errors.Join(errs...)) }

func placements(t testing.TB, b []byte) (all []Placement) {
	t.Helper()
	r := &Reader{bytes.NewReader(b), int64(len(b))}
	for m, err := range r.Members() {
		must(t, err)
		all = append(all, m.Placement)
	}
	return all
}

func writeTemp(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "b.tar.zst")
	must(t, os.WriteFile(name, b, 0o644))
	return name
}

func sameItems(t *testing.T, what string, want, got []item) {
	t.Helper()
	if diff := cmp.Diff(names(want), names(got)); diff != "" {
		t.Errorf("%s: members (-want +got):\n%s", what, diff)
		return
	}
	for i := range want {
		if !bytes.Equal(want[i].Data, got[i].Data) {
			t.Errorf("%s: %s has other bytes", what, want[i].ID)
		}
	}
}
