package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// piece is the size of a request for a part of an object, in bytes.
const piece = 16 << 20

// object reads an object of a source as http.ServeContent needs it: seeking is free, and
// only what is read is requested.
type object struct {
	ctx    context.Context // of the request
	source Source
	key    string
	size   int64

	at    int64         // position of the next byte
	body  io.ReadCloser // nil: none is open
	begin int64         // position at which body begins
	next  int64         // position of the next byte of body
	end   int64         // of body
}

func (o *object) open() error {
	if o.size == 0 {
		return nil
	}
	body, got, err := o.source.Get(o.ctx, o.key, bucket.Ask{Offset: o.at, Length: piece})
	if err != nil {
		return err
	}
	if got.Size != o.size {
		return errors.Join(fmt.Errorf("%s has %d bytes, its root says %d", o.key, got.Size, o.size), body.Close())
	}
	o.body, o.begin, o.next, o.end = body, o.at, o.at, min(o.at+piece, o.size)
	return nil
}

func (o *object) close() {
	if o.body != nil {
		_ = o.body.Close() // it was only read
		o.body = nil
	}
}

// Seek implements io.Seeker.
func (o *object) Seek(to int64, from int) (int64, error) {
	switch from {
	case io.SeekCurrent:
		to += o.at
	case io.SeekEnd:
		to += o.size
	}
	if to < 0 {
		return 0, fs.ErrInvalid
	}
	o.at = to
	return to, nil
}

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	if o.body == nil || o.next != o.at {
		o.close()
		if err := o.open(); err != nil {
			return 0, err
		}
	}
	n, err := o.body.Read(p)
	o.at, o.next = o.at+int64(n), o.next+int64(n)
	if err == io.EOF {
		if err = nil; o.at < o.end {
			err = io.ErrUnexpectedEOF
		}
		o.close()
	}
	return n, err
}

// CanSend reports whether the kernel can send the next bytes from a file.
func (o *object) CanSend(n int64) bool {
	_, all := o.laid()
	return n > 0 && len(all) > 0
}

// Send makes the kernel send the next n bytes. Errors: errors.ErrUnsupported if they are not
// in a file; read them with Read instead.
func (o *object) Send(to *extent.Conn, n int64, progress func()) (sent int64, err error) {
	for sent < n {
		f, all := o.laid()
		if len(all) == 0 {
			return sent, errors.ErrUnsupported
		}
		some, err := to.Send(f, extent.Slice(all, 0, n-sent), progress)
		sent += some
		o.at += some
		o.close()
		if err == nil && some == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// laid returns the position of the next bytes, up to the end of what is open.
func (o *object) laid() (extent.File, []extent.Extent) {
	if o.at >= o.size {
		return nil, nil
	}
	if o.body == nil || o.next != o.at {
		o.close()
		if o.open() != nil { // Read reports the error
			return nil, nil
		}
	}
	f, all := extent.Of(o.body)
	return f, extent.Slice(all, o.next-o.begin, o.end-o.next)
}
