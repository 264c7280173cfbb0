package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// object uploads a file and verifies the object. want is the file's checksum; nil: unknown.
func (p *Pusher) object(ctx context.Context, dir string, folder durable.Reader, name string, want *crate.Checksum) (_ root.File, err error) {
	f, err := folder.Open(name)
	if err != nil {
		return root.File{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, size, err := crate.Hash(store.Until(ctx, f))
	if err != nil {
		return root.File{}, err
	}
	if want != nil && sum != *want {
		return root.File{}, verdict.Integrityf("%s here is damaged: its sha256 is %s, it was written with %s; clonecratesio verify -repair fetches what is in it", name, sum, want)
	}
	file := root.File{Name: name, Size: size, SHA256: sum}
	return file, p.upload(ctx, root.Key(dir, name), f, &file)
}

// upload stores bytes under a key, and verifies that they are there.
func (p *Pusher) upload(ctx context.Context, key string, data io.ReaderAt, file *root.File) error {
	body := bucket.Body{Data: data, Size: file.Size, Checksum: file.SHA256, CacheControl: "public, max-age=31536000, immutable"}
	parts := parts{p.writer.State, uploadsDir, file.Name + ".parts"}
	_, err := p.cfg.Bucket.Upload(ctx, key, body, parts)
	if errors.Is(err, bucket.ErrExists) {
		err = p.replaceLeftover(ctx, key, body, parts)
	}
	if err != nil {
		return err
	}
	return p.prove(ctx, key, body)
}

// replaceLeftover removes an object that no root names and that has wrong bytes, and
// uploads the right ones. Only this writer can have its name: numbers are taken in the
// root, and everything else is stored by the holder of the lease.
func (p *Pusher) replaceLeftover(ctx context.Context, key string, body bucket.Body, parts parts) error {
	r, _, err := root.Read(ctx, p.cfg.Bucket, "")
	if err != nil {
		return err
	}
	if isNamed(r, key) {
		return verdict.Integrityf("the root names other bytes as %s than are here: another folder has pushed them", key)
	}
	p.cfg.Log.Warn("replacing an object that no root names, from an interrupted run", "key", key)
	if err := p.cfg.Bucket.Remove(ctx, key); err != nil {
		return err
	}
	_, err = p.cfg.Bucket.Upload(ctx, key, body, parts)
	return err
}

// prove verifies that the bucket has the bytes, and removes an object with others.
func (p *Pusher) prove(ctx context.Context, key string, body bucket.Body) error {
	if p.cfg.Verify == VerifyHead {
		o, err := p.cfg.Bucket.Head(ctx, key)
		if err == nil && o.Size != body.Size {
			err = fmt.Errorf("%s has %d bytes in the bucket, want %d", key, o.Size, body.Size)
		}
		return err
	}
	_, equal, err := bucket.Holds(ctx, p.cfg.Bucket, key, body)
	if err != nil || equal {
		return err
	}
	err = fmt.Errorf("%s was uploaded, and other bytes were read back: the provider does not keep what it is given", key)
	return errors.Join(err, p.cfg.Bucket.Remove(ctx, key))
}

// isNamed reports whether a root names the object of a key.
func isNamed(r *root.Root, key string) bool {
	for f := range r.Objects() {
		if f == key {
			return true
		}
	}
	return false
}

// uploadsDir is the folder of unfinished uploads below the state folder.
const uploadsDir = "uploads"

// parts records the parts of an upload in a file.
type parts struct {
	state     durable.FS
	dir, name string
}

const maxParts = 8 << 20 // bytes

func (s parts) path() string { return s.dir + "/" + s.name }

// Load implements bucket.Parts.
func (s parts) Load() ([]byte, error) {
	data, err := durable.ReadFile(s.state, s.path(), maxParts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Save implements bucket.Parts.
func (s parts) Save(data []byte) error {
	if data == nil {
		err := s.state.Remove(s.path())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := s.state.MkdirAll(s.dir); err != nil {
		return err
	}
	return durable.WriteFile(s.state, s.path(), data)
}
