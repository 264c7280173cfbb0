// Package send makes transfers (package transfer has the format): it writes what a mirror
// holds and the far side lacks to a folder, to be copied to media.
//
// # Steps
//
// A run first decides what to carry: it compares the catalog with the state of the far
// side. The result, with the index and everything else that is not a crate file, is a plan
// in the folder sent/pending of the mirror. From then on the transfer is fixed, whatever
// happens to the mirror: an interrupted run is resumed and makes the same files. Then the
// run writes the volumes, file by file; each gets its name once it is complete and durable;
// then the parity; then the manifest, without which there is no transfer. Last it records
// the point at which the far side will be.
//
//	sent/state.zst     what was sent, and with which point (transfer.StateWriter)
//	sent/points.jsonl  the points, one per line
//	sent/pending/      the plan of a transfer being made
//	sent/lock          locked by the process that makes it
//
// The mirror is only read; others may write it meanwhile. Each crate file is hashed while
// it is copied; if it differs from the catalog, the run fails.
package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// Config configures a transfer to be made.
type Config struct {
	Mirror   *home.Reader
	Dirs     *home.Dirs
	Sent     durable.FS                 // the mirror's folder of what was sent, locked by this process
	Out      func() (durable.FS, error) // opens the folder that will contain the transfer's folder
	Since    Since
	Volume   int64             // maximum size of a volume, bytes
	Parity   int               // percent; 0: none
	Signers  []*signing.Signer // may be none
	Policies []Policy          // to carry
	Log      *slog.Logger      // must not be nil
}

// Since is what the far side has.
type Since struct {
	Last  bool                          // what the last transfer left it with
	Point string                        // what the transfer to this point left it with: an ID, or its number
	State func() (io.ReadCloser, error) // what a state lists; may be nil. Without any of these: nothing
	Name  string                        // of the state, for messages
}

// A Result is what was made, or would be.
type Result struct {
	Manifest *transfer.Manifest // without files if it is only planned
	Nothing  bool               // the far side has everything
	Crates   int64              // carried crate files
	Bytes    int64              // of all files
	Folder   string             // of the transfer, in Config.Out
	Kept     int                // files already written by an earlier run
}

// ErrNoPoint means that the far side's point is not known here.
var ErrNoPoint = errors.New("no such transfer was made here")

// Run makes a transfer. Errors: ErrNoPoint; *crate.ChecksumError for a damaged copy;
// durable.ErrNoSpace; the cause of ctx.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Sent.MkdirAll(pendingDir); err != nil {
		return nil, err
	}
	p, err := pending(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	if p.Nothing {
		return &Result{Nothing: true, Manifest: &transfer.Manifest{Base: p.Base, End: p.Base}}, p.drop(&cfg)
	}
	limit, _, err := p.volumes()
	if err != nil {
		return nil, err
	}
	out, err := cfg.Out()
	if err != nil {
		return nil, err
	}
	w := &writer{cfg: &cfg, plan: p, out: out, room: room{limit: limit}}
	w.manifest = &transfer.Manifest{Base: p.Base, End: p.End, Versions: p.Versions, Parity: cfg.Parity}
	if err := errors.Join(w.write(ctx), out.Close()); err != nil {
		return nil, fmt.Errorf("writing transfer %s: %w", p.End.ID(), err)
	}
	return w.result(), p.remember(&cfg)
}

// Plan returns what Run would make, without making it. It does not change a transfer that
// an earlier run has begun.
func Plan(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Sent.MkdirAll(pendingDir); err != nil {
		return nil, err
	}
	p, err := pending(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	_, volumes, err := p.volumes()
	m := &transfer.Manifest{Base: p.Base, End: p.End, Versions: p.Versions, Parity: cfg.Parity, Volumes: int(volumes)}
	if !p.begun {
		err = errors.Join(err, p.drop(&cfg))
	}
	return &Result{Manifest: m, Nothing: p.Nothing, Crates: p.Crates, Bytes: p.withParity()}, err
}
