package pull

import (
	"context"
	"errors"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Local provides a sync with what a server has pulled, instead of downloads. It only reads,
// and needs no lock, because a file with its final name is complete.
type Local struct {
	Folder durable.Reader // pulled/
	Next   Fetcher        // for everything else
}

// maxInMemory is the maximum size of a crate file that is read into memory, in bytes.
const maxInMemory = 512 << 10

// Fetch implements mirror.Fetcher.
func (l Local) Fetch(ctx context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	body, spill, err := l.read(req)
	if err == nil {
		return body, upstream.Stats{}, nil
	}
	if durable.IsBroken(err) && spill != nil {
		return nil, upstream.Stats{}, err
	}
	if spill != nil { // it can be opened only once
		if err := spill.Reset(); err != nil {
			return nil, upstream.Stats{}, err
		}
		req.Spill = func() (upstream.Spill, error) { return spill, nil }
	}
	return l.Next.Fetch(ctx, req)
}

// read reads a pulled crate, if it is the wanted one.
func (l Local) read(req upstream.Request) (_ *upstream.Body, spill upstream.Spill, err error) {
	file, err := l.Folder.Open(cratePath(req.ID))
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	body := &upstream.Body{Size: info.Size()}
	if info.Size() <= maxInMemory {
		body.Data = make([]byte, info.Size())
		if _, err := io.ReadFull(file, body.Data); err != nil {
			return nil, nil, err
		}
		return body, nil, prove(req, io.NewSectionReader(file, 0, info.Size()))
	}
	if err := prove(req, io.NewSectionReader(file, 0, info.Size())); err != nil {
		return nil, nil, err
	}
	if spill, err = req.Spill(); err != nil {
		return nil, nil, err
	}
	body.Spill = spill
	if err := prove(req, io.TeeReader(file, spill)); err != nil { // it may have changed
		return nil, spill, err
	}
	return body, spill, nil
}

var errOther = errors.New("it is not what is wanted")

func prove(req upstream.Request, from io.Reader) error {
	sum, _, err := crate.Hash(from)
	if err == nil && sum != req.Checksum {
		err = errOther
	}
	return err
}
