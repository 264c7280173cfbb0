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

// tempPrefix starts the base name of every temporary file.
const tempPrefix = ".tmp-"

// TempName returns a name in the folder dir that an attacker cannot foresee and plant
// something at (C26). In the folder of the final name a publication needs one directory,
// and cannot meet another file system (C24).
func TempName(dir string) string { return path.Join(dir, tempPrefix+rand.Text()) }

// IsTemp reports whether the file name, with or without folders, is one of
// TempName's: what a run that was killed leaves, for the next one to remove.
// A user's own ".tmp-notes" is not.
func IsTemp(name string) bool {
	text, ok := strings.CutPrefix(path.Base(name), tempPrefix)
	return ok && len(text) == len(rand.Text()) && strings.Trim(text, base32) == ""
}

// base32 is what rand.Text writes.
const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// WriteFile makes data the durable content of a file that we alone own, in one
// step: at any instant, also after a crash, the file is whole, old or new. Its
// folder must exist. If an error is returned either may be there.
func WriteFile(fsys FS, name string, data []byte) error {
	return FillFile(fsys, name, writes(data))
}

// WriteNew makes data the durable content of a file that was not there, in one
// step, as [WriteFile] does. Its folder must exist. Errors: fs.ErrExist; after any
// other one the file may be there.
func WriteNew(fsys FS, name string, data []byte) error {
	return FillNew(fsys, name, writes(data))
}

// WriteNewPrivate is [WriteNew] of a file that its owner alone may read
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

// Touch makes an empty file at path, which is a path of the system, unless
// something is there: for those who write to a path and not to an FS.
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

// Separate makes name a file of its own where it shares its bytes with other names
// ([ErrLinked]), as after "cp -al": from then on it can be appended to, and the
// others keep what they have. At any instant, also after a crash, the file is
// whole.
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
