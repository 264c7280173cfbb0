package sidecar

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// A sync that begins while sidecars are made rewrites the pages of the catalog that
// they read. They took it for damaged.
func TestC21SidecarsBesideASync(t *testing.T) {
	ctx, out := t.Context(), t.TempDir()
	if err := os.Mkdir(filepath.Join(out, loose.StateDir), 0o755); err != nil {
		t.Fatal(err)
	}
	const crates, first, later = 2000, 2, 8 // versions of each
	commitVersions(t, out, crates, 0, first)

	job := &Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var open Opened
	if err := open.openCrates(ctx, &home.Dirs{Crates: out, Bundles: filepath.Join(out, "none")}, job); err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	want := func(name string, n int) {
		t.Helper()
		rows, err := job.Crates.Catalog.Versions(ctx, name)
		if err != nil || len(rows) != n {
			t.Fatalf("%s: %d versions, %v; want %d", name, len(rows), err, n)
		}
	}
	want(crateName(0), first)
	commitVersions(t, out, crates, first, later)
	for i := range crates {
		want(crateName(i), later)
	}
}

func crateName(i int) string { return fmt.Sprintf("crate-of-a-long-name-%d", i*7919%104729) }

// commitVersions is a run that mirrors versions of each crate.
func commitVersions(t *testing.T, out string, crates, from, to int) {
	t.Helper()
	c, err := catalog.Open((&home.Dirs{Crates: out}).Catalog())
	if err != nil {
		t.Fatal(err)
	}
	var b catalog.Batch
	for i := range crates {
		for v := from; v < to; v++ {
			id := crate.ID{Name: crateName(i), Version: fmt.Sprintf("1.0.%d", v)}
			row := catalog.Version{ID: id, Size: int64(i), Listed: true, VerifiedAt: time.Unix(1, 0)}
			row.Loose = true
			b.Versions = append(b.Versions, row)
		}
	}
	if err := c.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
