package extract

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"math"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A NoChecksumsError says that there are no checksums for the content of a bundle: there is
// no index, no manifest beside it, and Config.Unverified is not set.
type NoChecksumsError struct{ Bundle string }

func (e *NoChecksumsError) Error() string {
	return fmt.Sprintf("cannot verify what is in %q: there is no index and no manifest beside it", e.Bundle)
}

// CheckManifests returns a *NoChecksumsError if one of the bundles has no manifest beside
// it. Run does so without another source of checksums.
func CheckManifests(bundles durable.Reader, names []string) error {
	c, err := lists.FindClaims(bundles)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !c.Any(name) {
			return &NoChecksumsError{name}
		}
	}
	return nil
}

// prepare does everything that must come before the first write.
func (r *run) prepare(ctx context.Context) error {
	if r.cfg.Index == nil && !r.cfg.Unverified {
		if err := CheckManifests(r.cfg.Bundles, r.cfg.Names); err != nil {
			return err
		}
	}
	if err := r.findClaims(); err != nil {
		return err
	}
	r.findSums()
	var need need
	var lines []claimLine
	r.newest.seed = maphash.MakeSeed()
	for _, name := range r.cfg.Names {
		info, err := r.cfg.Bundles.Stat(name)
		if errors.Is(err, fs.ErrNotExist) && r.claims.Any(name) {
			r.lost = append(r.lost, name)
		} else {
			r.names = append(r.names, name)
		}
		if err == nil { // otherwise opening it reports that
			r.cfg.Progress.size.Add(info.Size())
		}
		r.claimed(name, func(e lists.ManifestEntry) {
			if r.cfg.Index == nil {
				lines = append(lines, claimLine{r.newest.key(e.ID), maphash.Comparable(r.newest.seed, e.Checksum), numberOf(name)})
			}
			need.add(e.Size)
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	r.newest.collect(lines)
	if r.checkSpace(need) == nil {
		return nil
	}
	return r.checkMissing(ctx)
}

// checkMissing returns an error if there is no room for the crates that the manifests name
// and the store lacks. It looks for each crate, which is only worth it if there is no room
// for all of them.
func (r *run) checkMissing(ctx context.Context) error {
	var need need
	for _, name := range r.cfg.Names {
		r.claimed(name, func(e lists.ManifestEntry) {
			if _, err := r.cfg.Store.Stat(e.ID); errors.Is(err, fs.ErrNotExist) {
				need.add(e.Size)
			}
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return r.checkSpace(need)
}

// need is the space that crates take.
type need struct{ bytes, files int64 }

// fileUnit is the unit in which file systems allocate space, in bytes.
const fileUnit = 4 << 10

// maxNeed is more than any disk has: manifests may claim more than can be counted.
const maxNeed = math.MaxInt64 / 2

func (n *need) add(size int64) {
	n.files++
	n.bytes = min(n.bytes+(size+fileUnit-1)/fileUnit*fileUnit, maxNeed)
}

// checkSpace returns an error if less than n and the reserve is free. If manifests have no
// sizes, or forged ones, only the reserve stops a run before the disk is full (F4).
func (r *run) checkSpace(n need) error {
	if r.cfg.Reserve < 0 {
		return nil
	}
	return durable.CheckFree(r.cfg.Out, "the output folder", n.bytes, n.files, r.cfg.Reserve)
}
