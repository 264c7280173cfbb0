package durable

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// tempPrefix begins the base name of every temporary file.
const tempPrefix = ".tmp-"

// TempName returns an unpredictable name in the folder dir, so that an attacker cannot
// plant a file there (C26). In the folder of the final name, a publication needs one
// directory and cannot cross file systems (C24).
func TempName(dir string) string { return path.Join(dir, tempPrefix+rand.Text()) }

// IsTemp reports whether the file name, with or without folders, is from TempName: left by
// a killed run, for the next one to remove. A user's own ".tmp-notes" is not.
func IsTemp(name string) bool {
	text, ok := strings.CutPrefix(path.Base(name), tempPrefix)
	return ok && len(text) == len(rand.Text()) && strings.Trim(text, base32) == ""
}

// base32 is the alphabet of rand.Text.
const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// WriteFile durably replaces the content of a file that only we own with data, atomically:
// at any instant, also after a crash, the file is whole, old or new. Its folder must exist.
// After an error, the file may be old or new.
func WriteFile(fsys FS, name string, data []byte) error {
	return FillFile(fsys, name, writes(data))
}

// WriteNew durably and atomically creates a file with the content data, like [WriteFile].
// Its folder must exist. Errors: fs.ErrExist; after any other error the file may exist.
func WriteNew(fsys FS, name string, data []byte) error {
	return FillNew(fsys, name, writes(data))
}

// WriteNewPrivate is like [WriteNew], for a file that only its owner may read
// ([FS.CreatePrivate]).
func WriteNewPrivate(fsys FS, name string, data []byte) error {
	return fillWhole(fsys, name, fsys.CreatePrivate, writes(data), (*WholeFile).Publish)
}

func writes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// Touch creates an empty file at path, which is a path of the system, unless something is
// there, for callers that write to a path and not to an FS.
func Touch(path string) error {
	fsys, err := Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer fsys.Close()
	f, err := fsys.Create(filepath.Base(path))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Separate makes name a file with its own bytes if it shares them with other names
// ([ErrLinked]), as after "cp -al": then it can be appended to, and the others keep their
// content. At any instant, also after a crash, the file is whole.
func Separate(fsys FS, name string) error {
	if err := FillFile(fsys, name, func(w io.Writer) error { return copyFrom(fsys, name, w) }); err != nil {
		return fmt.Errorf("copying %s, which has several hard links: %w", name, err)
	}
	return nil
}

func copyFrom(fsys Reader, name string, w io.Writer) error {
	from, err := fsys.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, from)
	return errors.Join(err, from.Close())
}

// ReadFile reads a whole file of at most limit bytes. Errors: ErrTooLarge.
func ReadFile(fsys Reader, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = cmp.Or(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading %s: %w: more than %d bytes", name, ErrTooLarge, limit)
	}
	return data, nil
}
