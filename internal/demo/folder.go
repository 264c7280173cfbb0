package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"text/tabwriter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

// ErrNotEmpty says that the folder has files in it.
var ErrNotEmpty = errors.New("folder is not empty")

// EmptyDir returns an empty folder; if dir is "", a new one for temporary files. Errors:
// ErrNotEmpty.
func EmptyDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "clonecratesio-demo-")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = ErrNotEmpty
	}
	return dir, err
}

// PrintLeft prints what the demo leaves behind.
func PrintLeft(w io.Writer, d *home.Dirs) error {
	fmt.Fprintf(w, "What there is to see now:\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  %s\tthe crates: tar --zstd -tf lists a bundle\n", d.Bundles)
	fmt.Fprintf(table, "  %s\twhat happened to each, one line of JSON a version\n", d.Manifest)
	fmt.Fprintf(table, "  %s\twhat is held; any SQLite client opens it\n", d.Catalog())
	return table.Flush()
}

// FreeAddr returns the default address of serve if it is free, or another free one.
func FreeAddr() (string, error) {
	for _, addr := range []string{"127.0.0.1:8080", "127.0.0.1:0"} {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no port of 127.0.0.1 is free")
}
