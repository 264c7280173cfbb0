// Package send makes transfers (package transfer is the format): what a mirror holds and
// the far side does not, written to a folder, from which it is copied to media.
//
// # Order
//
// First it is settled what is carried: the catalog is compared with the state of the far
// side, and the answer, with the index and all else that is no crate file, becomes a plan
// in the folder sent/pending of the mirror. From then on the transfer is fixed, whatever
// becomes of the mirror: a run that was stopped is resumed where it was, and makes the
// same files. Then the volumes are written, file by file, each with its name once it is
// whole and durable; then the parity; then the manifest, without which there is no
// transfer. Last the mirror remembers the point that the far side will be at.
//
//	sent/state.zst     what was sent, and with which point (transfer.StateWriter)
//	sent/points.jsonl  the points, a line each
//	sent/pending/      the plan of a transfer that is being made
//	sent/lock          held by the process that makes it
//
// A mirror is only read, while others may write it. Each crate file is hashed on its way;
// one that is not what the catalog says ends the run.
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

// Config is a transfer to be made.
type Config struct {
	Mirror   *home.Reader
	Dirs     *home.Dirs
	Sent     durable.FS                 // the mirror's folder of what was sent, for this process alone
	Out      func() (durable.FS, error) // opens the folder in which the transfer is one
	Since    Since
	Volume   int64             // bytes that a volume has at most
	Parity   int               // percent; 0: none
	Signers  []*signing.Signer // may be none
	Policies []Policy          // that are carried
	Log      *slog.Logger      // must not be nil
}

// Since is what the far side has.
type Since struct {
	Last  bool                          // what the last transfer left it with
	Point string                        // what the transfer to this point left it with: an ID, or its number
	State func() (io.ReadCloser, error) // what a state says; may be nil. If nothing is given: nothing
	Name  string                        // of the state, for messages
}

// A Result is what was made, or would be.
type Result struct {
	Manifest *transfer.Manifest // without files, if it is only planned
	Nothing  bool               // the far side has all
	Crates   int64              // that are carried
	Bytes    int64              // of all files
	Folder   string             // of the transfer, in Config.Out
	Kept     int                // files that an earlier run had written
}

// ErrNoPoint: what the far side is said to have is not known here.
var ErrNoPoint = errors.New("no such transfer was made here")

// Run makes a transfer. Errors: ErrNoPoint; *crate.ChecksumError, of a damaged copy;
// durable.ErrNoSpace; the context's cause.
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

// Plan returns what Run would make, without making it. A transfer that an earlier run has
// begun stays as it is.
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
