package cache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// The cache keeps what was asked for lately, and no more than it may.
func TestCacheIsBounded(t *testing.T) {
	disk := durabletest.NewMem()
	c, err := Open(disk, 250)
	must(t, err)
	sums := []byte("abcd")
	data := make([]byte, 100)
	for i, b := range sums[:3] {
		must(t, c.Put([32]byte{b}, data))
		if i == 1 {
			if f, _ := c.Open([32]byte{'a'}); f != nil { // other bytes than its name: dropped
				t.Error("a file that is not what its name says was given out")
			}
		}
	}
	entries, err := disk.ReadDir(".")
	must(t, err)
	if len(entries) != 2 || c.Used() != 200 {
		t.Errorf("%d files, %d bytes", len(entries), c.Used())
	}
	if err := c.Put([32]byte{'d'}, make([]byte, 251)); !errors.Is(err, ErrAbsent) {
		t.Errorf("what does not fit: %v", err)
	}
	must(t, durable.WriteFile(disk, "7.tmp", data))
	small, err := Open(disk, 150)
	must(t, err)
	if entries, _ := disk.ReadDir("."); len(entries) != 1 || small.Used() != 100 {
		t.Errorf("after a restart with less: %d files, %d bytes", len(entries), small.Used())
	}
}

// What is streamed into the cache is kept only whole, with its checksum and its size.
func TestFill(t *testing.T) {
	good := []byte("0123456789")
	sum := crate.Checksum(sha256.Sum256(good))
	for name, tt := range map[string]struct {
		from io.Reader
		want error
	}{
		"good":     {bytes.NewReader(good), nil},
		"other":    {strings.NewReader("0123456780"), ErrOther},
		"short":    {strings.NewReader("012345678"), ErrOther},
		"long":     {strings.NewReader("0123456789\n"), ErrOther},
		"cut off":  {io.MultiReader(strings.NewReader("012"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"too much": {bytes.NewReader(make([]byte, 1<<20)), ErrOther},
	} {
		t.Run(name, func(t *testing.T) {
			disk := durabletest.NewMem()
			c, err := Open(disk, 100)
			must(t, err)
			if err := c.Fill(sum, int64(len(good)), tt.from); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			got, err := c.Read(sum)
			if kept := bytes.Equal(got, good); kept != (tt.want == nil) || kept != (err == nil) {
				t.Errorf("kept %q, %v", got, err)
			}
			entries, err := disk.ReadDir(".")
			must(t, err)
			if len(entries) > 1 || len(entries) == 1 && tt.want != nil {
				t.Errorf("files are left: %v", entries)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
