package servecli

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

func TestIsForeign(t *testing.T) {
	for config, want := range map[string]bool{
		"": false,
		`{"dl":"https://static.crates.io/crates"}`: false,
		`{"dl":"https://crates.example.org/api"}`:  true,
		`{`: false,
	} {
		dir := t.TempDir()
		if config != "" {
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cfg := Config{Dirs: flags.Dirs{Dirs: home.Dirs{Root: dir, Index: dir}}}
		if got := cfg.isForeign(t.Context(), slog.New(slog.DiscardHandler)); got != want {
			t.Errorf("config.json %s: %v, want %v", config, got, want)
		}
	}
	cfg := Config{Dirs: flags.Dirs{Dirs: home.Dirs{Index: filepath.Join(t.TempDir(), "none")}}}
	if cfg.isForeign(t.Context(), slog.New(slog.DiscardHandler)) {
		t.Error("without an index, crates.io is meant")
	}
}
