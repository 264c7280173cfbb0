package reader

import (
	"context"
	"errors"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

type headOnly struct{}

// HeadOnly returns a context for callers that need the properties of a crate file but not
// its bytes: [View.Open] then rebuilds nothing from the deep archive. A returned file has
// no bytes if [File.IsHead].
func HeadOnly(ctx context.Context) context.Context { return context.WithValue(ctx, headOnly{}, true) }

// headOf returns the file of a version that is only in the deep archive, if its properties
// are enough for the caller; nil otherwise.
func headOf(ctx context.Context, row *catalog.Version) *File {
	if ctx.Value(headOnly{}) == nil || row.Placement != row.InDeep() {
		return nil
	}
	return &File{&head{size: row.Size}, row.ID, row.Checksum}
}

// IsHead reports whether the file has a size but no bytes.
func (f *File) IsHead() bool {
	_, is := f.Content.(*head)
	return is
}

// head is content with only a size.
type head struct{ size, at int64 }

var errHead = errors.New("a file without its bytes was read")

func (h *head) Size() int64                       { return h.size }
func (h *head) Read([]byte) (int, error)          { return 0, errHead }
func (h *head) ReadAt([]byte, int64) (int, error) { return 0, errHead }
func (h *head) Identity() (store.Identity, error) { return store.Identity{}, nil }
func (h *head) Close() error                      { return nil }
func (h *head) Seek(to int64, from int) (int64, error) {
	switch from {
	case io.SeekCurrent:
		to += h.at
	case io.SeekEnd:
		to += h.size
	}
	h.at = to
	return to, nil
}
