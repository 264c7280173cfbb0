package main

import (
	"context"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
)

// series packs the newest 1, 2, 4, ... versions of each crate that has as many, and prints the
// packed size per byte.
func series(w io.Writer, groups []group) error {
	fmt.Fprintln(w, "| versions | crates | by bytes | median crate | quartiles |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for n := 1; n <= deep.MaxVersions; n *= 2 {
		var crates, packs int64
		var ratios []float64
		for _, g := range groups {
			if len(g.crates) < n {
				continue
			}
			size, packed, err := ratioOf(g.crates[len(g.crates)-n:])
			if err != nil {
				return err
			}
			crates, packs = crates+size, packs+packed
			ratios = append(ratios, float64(packed)/float64(size))
		}
		if len(ratios) == 0 {
			break
		}
		fmt.Fprintf(w, "| %d | %d | %.3f | %.3f | %.3f to %.3f |\n", n, len(ratios), float64(packs)/float64(crates),
			at(ratios, 0.5), at(ratios, 0.25), at(ratios, 0.75))
	}
	return nil
}

// ratioOf returns the size of a crate's versions and of their packs, in bytes.
func ratioOf(crates []found) (size, packed int64, err error) {
	for rest := crates; len(rest) > 0; {
		p, err := deep.Build(context.Background(), sources(rest), deep.Options{Level: *level})
		if err != nil {
			return 0, 0, err
		}
		for _, v := range p.Versions {
			size += v.Size
		}
		packed += p.Size()
		rest = rest[p.Took:]
	}
	return size, packed, nil
}
