package address_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
)

func TestOpenFolder(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	b, err := address.Open(t.Context(), "file:///"+strings.TrimPrefix(dir, "/"), address.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "file://"+dir {
		t.Errorf("it calls itself %s", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                "no address of a bucket",
		"/srv/mirror":     "no address of a bucket",
		`C:\mirror`:       "no address of a bucket",
		"ftp://host/":     "no buckets of the kind ftp:",
		"file://srv/x":    "three slashes",
		"file:x":          "three slashes",
		"file:///%zz":     "no address of a folder",
		"file:///no/such": "make the folder, or mount it",
	} {
		if _, err := address.Open(t.Context(), text, address.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want %q", text, err, want)
		}
	}
}
