package signing

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// OpenPrivate opens the file of a private key, of any kind, which others must not be able
// to read. It calls password if the key is encrypted.
func OpenPrivate(path string, password Password) (*Signer, error) {
	text, err := readKey(path, checkPrivate)
	var s *Signer
	if err == nil {
		s, err = parsePrivate(text, password)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the private key %s: %w", path, err)
	}
	return s, nil
}

// OpenPublic opens public keys: the literal text of one, or a file with one or with a list
// of allowed signers.
func OpenPublic(key string) ([]*Verifier, error) {
	if formOf(strings.TrimSpace(key)).private {
		return nil, errors.New("opening a public key: a private one was given, on a command line, which other users see: make another pair")
	}
	text, err := key, error(nil)
	if !isLiteral(key) {
		text, err = readKey(key, nil)
	}
	var keys []*Verifier
	if err == nil {
		keys, err = parsePublic(text)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the public key %s: %w", key, err)
	}
	return keys, nil
}

// PublicOf returns the public keys of everything that OpenPublic accepts, or of the file of
// a private key.
func PublicOf(key string, password Password) ([]*Verifier, error) {
	if text, err := readKey(key, nil); err == nil && formOf(text).private {
		s, err := OpenPrivate(key, password)
		if err != nil {
			return nil, err
		}
		return []*Verifier{s.Public()}, nil
	}
	return OpenPublic(key)
}

// readKey reads a file that a person named. It follows links, because the secrets of a
// cluster are links.
func readKey(path string, check func(fs.FileInfo) error) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: keys are read from files", durable.ErrNotRegular)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", bare(err)
	}
	folder, err := durable.Open(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	defer folder.Close()
	f, err := folder.Open(filepath.Base(path))
	if err != nil {
		return "", bare(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err == nil && check != nil {
		err = check(info)
	}
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		err = fmt.Errorf("more than %d bytes: this is not a key", maxKeyFile)
	}
	return string(data), err
}

// bare returns an error without the path, which the caller adds.
func bare(err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// NewKey makes a note key in an existing folder: path with the private key, which only its
// owner may read, and path.pub with the public one. name is the origin of the log that it
// signs. It replaces nothing: the error is fs.ErrExist if either file exists. The key is
// durable when NewKey returns.
//
// It refuses a folder in which every user may replace files: another user could replace the
// public key before it is distributed. (A folder that a group may write to is accepted: it
// is usually the owner's own group.)
func NewKey(disk func(durable.FS) durable.FS, path, name string) (*Verifier, error) {
	private, public, err := generate(name)
	if err != nil {
		return nil, err
	}
	folder, err := durable.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", path, err)
	}
	defer folder.Close()
	if err := checkFolder(folder); err != nil {
		return nil, fmt.Errorf("making the key %s: %w", path, err)
	}
	if err := writePair(disk(folder), filepath.Base(path), private, public); err != nil {
		return nil, fmt.Errorf("making the key %s: %w", path, err)
	}
	return notePublic(public)
}

// writePair writes the private key first, because the public one can be derived from it at
// any time.
func writePair(folder durable.FS, name, private, public string) error {
	for _, file := range []string{name, name + ".pub"} {
		if _, err := folder.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fs.ErrExist
			}
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := durable.WriteNewPrivate(folder, name, []byte(private+"\n")); err != nil {
		return err
	}
	if err := durable.WriteNew(folder, name+".pub", []byte(public+"\n")); err != nil {
		return fmt.Errorf("the private key is there, its public one is not: %w", err)
	}
	return nil
}
