package servecli

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
)

// An index that is not there, as with -pull-only, is told of once. When there is one, what
// was decided without it is decided again.
func TestAgesOfAnIndexThatComes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.toml")
	if err := os.WriteFile(file, []byte("[age]\nmin-age = \"7d\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	source, err := gate.OpenSource(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	changes := 0
	a := &ages{
		dir: filepath.Join(dir, "index"), log: slog.New(slog.NewTextHandler(&told, nil)), sources: []*gate.Source{source},
		changed: func() { changes++ },
	}
	defer a.Close()
	for range 3 {
		a.open(t.Context())
	}
	if n := strings.Count(told.String(), "cannot be read"); n != 1 || changes != 0 {
		t.Errorf("told %d times, %d changes: %s", n, changes, &told)
	}
	if err := os.Mkdir(a.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "config.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a.open(t.Context())
	}
	if a.book == nil || changes != 1 {
		t.Errorf("of an index that came: %v, %d changes: %s", a.book, changes, &told)
	}
}
