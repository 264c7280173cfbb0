package receive

import (
	"context"
	"errors"
	"io"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// piecesExt is the suffix of the file with the remaining pieces of an incomplete file, each
// in its place and verified.
const piecesExt = ".pieces"

// keep stages what parity may need once this medium is gone: the remaining pieces of lost
// files, and the available parity. Each piece is verified with the file of checksums when it
// is stored and when it is used.
func (k *taking) keep(ctx context.Context, lost map[string]error) error {
	blocks, err := k.blocks(ctx)
	if isOurs(ctx, err) {
		return err
	}
	if err != nil {
		return nil // pieces cannot be verified
	}
	defer blocks.Close()
	for i := range k.t.manifest.Files {
		if f := &k.t.manifest.Files[i]; lost[f.Name] != nil || f.Kind() == transfer.Parity {
			if err := k.keepPieces(ctx, f, blocks); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepPieces adds to the stored pieces of a file those on the media.
func (k *taking) keepPieces(ctx context.Context, f *transfer.File, blocks io.ReaderAt) (err error) {
	media := k.onMedia(f)
	if len(media) == 0 {
		return nil
	}
	defer closeAll(media)
	name, folder := path.Join(k.dir(), f.Name)+piecesExt, k.folderOf(f)
	var kept []durable.File
	if had, err := folder.Open(name); err == nil {
		kept = append(kept, had)
		defer had.Close()
	}
	out, err := durable.CreateWhole(folder, name, "")
	if err != nil {
		return onDisk(err)
	}
	new, err := k.merge(ctx, f, blocks, kept, media, out)
	if err != nil || !new {
		return errors.Join(err, onDisk(out.Discard()))
	}
	return onDisk(out.Replace())
}

// merge writes each piece of a file that some copy has, and zeros for the others. It reports
// whether a piece is new.
func (k *taking) merge(ctx context.Context, f *transfer.File, blocks io.ReaderAt, kept, media []durable.File, out io.Writer) (new bool, err error) {
	first, n := k.t.manifest.Layout().Pieces(f)
	piece := make([]byte, transfer.PieceSize)
	has := func(copies []durable.File, i int64) bool {
		for _, r := range copies {
			if transfer.ReadPiece(r, f, i, first+i, blocks, piece) {
				return true
			}
		}
		clear(piece)
		return false
	}
	for i := range n {
		if err := context.Cause(ctx); err != nil {
			return new, err
		}
		if !has(kept, i) && has(media, i) {
			new = true
		}
		if _, err := out.Write(piece[:min(transfer.PieceSize, f.Size-i*transfer.PieceSize)]); err != nil {
			return new, onDisk(err)
		}
	}
	return new, nil
}

func closeAll(files []durable.File) {
	for _, f := range files {
		f.Close()
	}
}
