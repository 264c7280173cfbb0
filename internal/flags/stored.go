package flags

import (
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// Durability says when bytes are synced to disk.
type Durability string

// Batches is the Durability of commands that have no flag for it.
const Batches Durability = "batch"

var durabilities = map[Durability]loose.Durability{Batches: loose.Batch, "file": loose.PerFile, "none": loose.None}

// Flag returns -durability.
func (d *Durability) Flag() cli.Flag {
	return &cli.StringFlag{Name: "durability", Category: Storage, Value: string(Batches), Usage: "`file|batch|none`: when to force bytes to the disk: after each file, after each batch, or never", Destination: (*string)(d)}
}

// Check rejects invalid values.
func (d Durability) Check() error {
	if _, ok := durabilities[d]; !ok {
		return Usagef("-durability %q is none of file, batch, none", string(d))
	}
	return nil
}

// Store returns the setting for a store.
func (d Durability) Store() loose.Durability { return durabilities[d] }

// BundleSize is the size in GB at which a bundle is full.
type BundleSize int64

// UsualBundleSize is the BundleSize of commands that have no flag for it.
const UsualBundleSize BundleSize = 8

// maxBundleSize is the maximum: few file systems and media cope with larger files.
const maxBundleSize BundleSize = 1 << 14

// Flag returns -bundle-size-gb.
func (s *BundleSize) Flag() cli.Flag {
	return &cli.Int64Flag{Name: "bundle-size-gb", Category: Storage, Value: int64(UsualBundleSize), Usage: "start a new bundle once the current one reaches `N` GB", Destination: (*int64)(s)}
}

// Check rejects sizes that are out of range.
func (s BundleSize) Check() error {
	if s < 1 || s > maxBundleSize {
		return Usagef("-bundle-size-gb is %d, want 1 to %d", s, maxBundleSize)
	}
	return nil
}

// Bytes returns the size in bytes.
func (s BundleSize) Bytes() int64 { return int64(s) << 30 }

// Deep has the flags of a run that moves crates into the deep archive.
type Deep struct {
	Pack bool
	Mode string // only, hot, add
}

// RoundAtLeast is the number of unpacked versions that a crate needs before a round packs it,
// so that not every new version rewrites the crate's pack.
const RoundAtLeast = 8

// Flags returns the flags.
func (cfg *Deep) Flags() []cli.Flag {
	return under(Storage,
		&cli.BoolFlag{Name: "deep", Usage: "move a crate into the deep archive, as clonecratesio repack does, once " + strconv.Itoa(RoundAtLeast) + " of its versions are not there yet", Destination: &cfg.Pack},
		&cli.StringFlag{Name: "deep-mode", Value: "only", Usage: "`only|hot|add`: with -deep, keep nothing elsewhere, the newest version of each crate, or everything", Destination: &cfg.Mode},
	)
}

// Check rejects invalid values.
func (cfg *Deep) Check() error {
	if cfg.Mode != "only" && cfg.Mode != "hot" && cfg.Mode != "add" {
		return Usagef("-deep-mode %q is none of only, hot, add", cfg.Mode)
	}
	return nil
}
