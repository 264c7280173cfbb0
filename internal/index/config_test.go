package index

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

// config.json is read in each form of the index, with git as the commit has it.
func TestConfig(t *testing.T) {
	tree := indextest.Tree{"config.json": `{"dl":"https://h/{crate}","api":"https://h","auth-required":true}`, "1/a": indextest.Line("a", "1.0.0", indextest.Sum("a")) + "\n"}
	repo := indextest.CheckoutOf(t, tree)
	if err := os.WriteFile(filepath.Join(repo, "config.json"), []byte(`{"dl":"https://edited"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for form, dir := range map[string]string{"folder": indextest.FolderOf(t, tree), "checkout": repo, "bare": indextest.BareOf(t, repo)} {
		cfg, err := openIndex(t, dir, nil).Config(t.Context())
		if want := (Config{"https://h/{crate}", "https://h"}); err != nil || cfg != want {
			t.Errorf("%s: %+v, %v, want %+v", form, cfg, err, want)
		}
	}
}

func TestConfigThatIsNone(t *testing.T) {
	for content, want := range map[string]string{
		"":                           "",
		`{"api":"https://h"}`:        `it names no "dl"`,
		`{"dl":1}`:                   "config.json",
		`<html>`:                     "config.json",
		strings.Repeat(" ", 1<<16+1): "it has more than 65536 bytes",
	} {
		tree := indextest.Tree{"1/a": indextest.Line("a", "1.0.0", indextest.Sum("a")) + "\n"}
		if content != "" {
			tree["config.json"] = content
		}
		repo := indextest.CheckoutOf(t, tree)
		for form, dir := range map[string]string{"folder": indextest.FolderOf(t, tree), "checkout": repo, "bare": indextest.BareOf(t, repo)} {
			_, err := openIndex(t, dir, nil).Config(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fs.ErrNotExist) != (content == "") {
				t.Errorf("%s: %.20q: %v, want %q", form, content, err, want)
			}
		}
	}
}

func TestConfigOfCratesIO(t *testing.T) {
	for dl, want := range map[string]bool{
		"https://static.crates.io/crates": true, "https://crates.io/api/v1/crates": true, "https://STATIC.crates.io:443/": true,
		"https://mirror.example/static.crates.io": false, "https://notcrates.io/": false, "https://crates.io.evil.example/": false,
		"https://crates.io@evil.example/": false, "": false, ":": false,
	} {
		if got := (Config{DL: dl}).IsCratesIO(); got != want {
			t.Errorf("%s: %t", dl, got)
		}
	}
}
