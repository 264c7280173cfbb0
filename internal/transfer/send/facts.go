package send

import (
	"context"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// writeFacts writes what the catalog knows beyond the index.
func (p *plan) writeFacts(ctx context.Context, cfg *Config) error {
	err := durable.FillFile(cfg.Sent, factsName, func(w io.Writer) error {
		return cfg.Mirror.Catalog.Read(ctx, func(c *catalog.Catalog) error { return facts(ctx, cfg, c, w) })
	})
	if err != nil {
		return err
	}
	return p.addSize(cfg, factsName)
}

func facts(ctx context.Context, cfg *Config, c *catalog.Catalog, w io.Writer) error {
	for g, err := range c.Gone(ctx) {
		if err != nil {
			return err
		}
		if err := transfer.WriteFact(w, transfer.Fact{
			Kind: transfer.IsGone, Name: g.Name, Version: g.Version, Time: g.Since, Status: g.Status, Text: g.Evidence,
		}); err != nil {
			return err
		}
	}
	return removed(ctx, cfg, c, w)
}

// removed writes the tombstones of what is carried; both are ordered by name.
func removed(ctx context.Context, cfg *Config, c *catalog.Catalog, w io.Writer) error {
	next, stop := iter.Pull2(readSpool(cfg.Sent))
	defer stop()
	at, err, more := next()
	for r, removedErr := range c.Removed(ctx, true) {
		if removedErr != nil {
			return removedErr
		}
		for more && err == nil && transfer.Compare(at.key(), r.Key) < 0 {
			at, err, more = next()
		}
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if at.key() == r.Key {
			if err := transfer.WriteFact(w, factOf(r)); err != nil {
				return err
			}
		}
	}
	return nil
}

func factOf(r catalog.Removal) transfer.Fact {
	return transfer.Fact{
		Kind: transfer.IsRemoved, Name: r.Name, Version: r.Version, SHA256: r.Checksum, Time: r.Seen, Scope: r.Scope, Commit: r.At.Commit, Of: r.At.Time,
	}
}

// where returns where a crate file is now: the mirror may have moved it since the plan was
// made.
func where(ctx context.Context, cfg *Config, key crate.Key) (catalog.Version, error) {
	return cfg.Mirror.Catalog.ByChecksum(ctx, key)
}
