package bundle

import (
	"bytes"
	"io"
	"testing"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"
)

// Another implementation of the seekable format reads our bundles, at any place of the
// archive.
func TestOracleReadsOurSeekTable(t *testing.T) {
	b, _ := build(t, withLarge())
	var archive bytes.Buffer
	z, err := zstd.NewReader(bytes.NewReader(b))
	must(t, err)
	defer z.Close()
	_, err = archive.ReadFrom(z)
	must(t, err)

	r, err := seekable.NewReader(bytes.NewReader(b), z)
	must(t, err)
	defer r.Close()
	table, err := r.SeekTable()
	must(t, err)
	if got, want := table.NumFrames(), int64(len(withLarge())+1); got != want {
		t.Errorf("%d frames, want %d", got, want)
	}
	if got := table.Size(); got != uint64(archive.Len()) {
		t.Errorf("%d bytes of content, want %d", got, archive.Len())
	}
	want := archive.Bytes()
	for off := 0; off < len(want); off += 509 {
		p := make([]byte, min(100, len(want)-off))
		if n, err := r.ReadAt(p, int64(off)); n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, want[off:][:n]) {
			t.Fatalf("ReadAt(%d) = %d, %v", off, n, err)
		}
	}
}

// Both implementations agree on what a seek table is, except for tables with checksums,
// which we do not write and reject.
func TestOracleWritesTheSameSeekTable(t *testing.T) {
	b, _ := build(t, items())
	table, err := readTable(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	if _, err := seekable.NewSeekTable(b[table.start:]); err != nil {
		t.Errorf("the oracle refuses our table: %v", err)
	}
	for _, cut := range []int64{1, 4, 8, 20} {
		if _, err := seekable.NewSeekTable(b[table.start+cut:]); err == nil {
			t.Errorf("the oracle accepts our table without its first %d bytes", cut)
		}
		if _, err := readTable(bytes.NewReader(b[table.start+cut:]), int64(len(b))-table.start-cut); err == nil {
			t.Errorf("we accept our table without its first %d bytes", cut)
		}
	}
}
