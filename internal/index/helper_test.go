package index

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	durabletest.GarbageWaits()
	goleak.VerifyTestMain(m)
}

func openIndex(t *testing.T, dir string, log *bytes.Buffer) *Index {
	t.Helper()
	opt := Options{}
	if log != nil {
		opt.Log = slog.New(slog.NewTextHandler(log, nil))
	}
	x, err := Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// readIndex returns all that an index says as text, one line for a crate,
// entry or error.
func readIndex(t *testing.T, x *Index, want func(File) bool) []string {
	t.Helper()
	var got []string
	for c, err := range x.Crates(t.Context(), want) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, describe(c)...)
	}
	return got
}

func describe(c *Crate) []string {
	if c.Err != nil {
		return []string{fmt.Sprintf("%s: %v", c.Path, c.Err)}
	}
	text := []string{fmt.Sprintf("%s %s", c.Path, c.Blob)}
	for _, e := range c.Entries {
		text = append(text, fmt.Sprintf(" %d %v %.1s %v %q", e.Line, e.ID, e.Checksum, e.Yanked, e.Raw))
	}
	for _, bad := range c.Bad {
		text = append(text, fmt.Sprintf(" bad %v", bad))
	}
	return text
}

// readOne parses content as the file of the crate name.
func readOne(name, content string) (*Crate, string) {
	var log bytes.Buffer
	p := &fileParser{log: slog.New(slog.NewTextHandler(&log, nil))}
	c := &Crate{File: File{Path: crate.IndexPath(name)}}
	p.file(c, []byte(content), nil)
	return c, log.String()
}
