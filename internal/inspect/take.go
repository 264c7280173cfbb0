package inspect

import (
	"io"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A Taker writes the bytes of one crate to w. If it fails, the bytes must not be used.
type Taker func(w io.Writer) error

// ToNewFile writes the output of take to a new file, in one step; the file must not exist.
// disk wraps its folder.
func ToNewFile(name string, disk func(durable.FS) durable.FS, take Taker) error {
	folder, err := durable.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	to := disk(folder)
	defer to.Close()
	return durable.FillNew(to, filepath.Base(name), take)
}

// ToStream copies the output of take to w once take has succeeded. Until then a temporary file
// holds it.
func ToStream(w io.Writer, take Taker) error {
	f, err := os.CreateTemp("", "clonecratesio-inspect-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := take(f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
