package pull

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

const (
	// tiny is the maximum size in bytes of a crate file that is hashed whenever it is
	// served, and read into memory for that, as in package reader.
	tiny = 64 << 10
	// provenFor is how long the verification of a larger one is valid.
	provenFor = 10 * time.Minute
)

// proof identifies a hashed file, and says when it was hashed.
type proof struct {
	state durable.State
	made  time.Time
}

// open opens bytes and verifies them. Errors: fs.ErrNotExist; *crate.ChecksumError.
func (f *folder) open(key crate.Key) (store.Content, error) {
	file, err := f.fsys.Open(cratePath(key.ID))
	if err != nil {
		return nil, err
	}
	content, err := f.prove(file, key)
	if err != nil || content.Size() <= tiny {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}

// readProven reads a tiny crate into memory and verifies it.
func readProven(file durable.File, key crate.Key, size int64) (store.Content, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, err
	}
	return store.InMemory(data), compare(key, sha256.Sum256(data), size)
}

// prove returns the content of a file, if it has the checksum.
func (f *folder) prove(file durable.File, key crate.Key) (store.Content, error) {
	now := time.Now()
	state, err := durable.StateOf(file)
	if err != nil {
		return nil, err
	}
	if state.Size <= tiny {
		return readProven(file, key, state.Size)
	}
	if have, ok := f.proven.Get(key.Checksum); ok && have.state == state && now.Sub(have.made) < provenFor {
		return store.InFile(file, "pulled", state), nil
	}
	_, err, _ = f.hashing.Do(fmt.Sprint(key.Checksum, state), func() (any, error) {
		sum, size, err := crate.Hash(io.NewSectionReader(file, 0, state.Size))
		return nil, errors.Join(err, compare(key, sum, size))
	})
	if err == nil && state.Settled(now) {
		f.proven.Put(key.Checksum, proof{state, now})
	}
	return store.InFile(file, "pulled", state), err
}

func compare(key crate.Key, sum crate.Checksum, size int64) error {
	if sum == key.Checksum {
		return nil
	}
	return &crate.ChecksumError{ID: key.ID, Want: key.Checksum, Got: sum, Size: size}
}
