package send

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// maxWhole bounds the files of the mirror that are carried unchanged: together with the
// bundles and the parity of the maximum number of volumes, a transfer has fewer than
// transfer.MaxFiles. If there are more, the crates of the smallest ones are put into bundles
// of the transfer.
const maxWhole = 1000

// mostlyNew is the share of a file of the mirror that must be new for it to be carried
// unchanged, in thousandths: a transfer has at most 1.02 times what is new.
const mostlyNew = 985

// candidate is a file of the mirror with enough new members.
type candidate struct {
	name  string
	bytes int64 // of the file
	parts int64 // of its new members, outside of it
}

// choose finds the bundles and segments that are carried unchanged, and computes totals.
func (d *difference) choose(ctx context.Context) error {
	finished, err := finishedFiles(ctx, d.cfg)
	if err != nil {
		return err
	}
	limit := d.cfg.Volume - d.plan.reserve(d.atMost(finished), min(maxWhole, int64(len(finished))))
	var whole []candidate
	weigh := func(name string, new, parts int64) {
		if size := finished[name]; size > 0 && size <= limit && new*1000 >= size*mostlyNew {
			whole = append(whole, candidate{name, size, parts})
		} else {
			d.plan.Bytes += parts
		}
	}
	for name, s := range d.bundles {
		weigh(name, s.bytes, s.bytes)
	}
	for name, s := range d.segments {
		new := int64(0)
		for _, bytes := range s.bytes {
			new += bytes
		}
		weigh(name, new, s.size)
	}
	d.plan.pick(whole, maxWhole)
	d.plan.Bytes += d.loose
	return nil
}

// pick selects the files of the mirror that are carried unchanged: the largest ones if
// there are too many.
func (p *plan) pick(whole []candidate, most int) {
	slices.SortFunc(whole, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), strings.Compare(a.name, b.name))
	})
	for i, c := range whole {
		switch _, err := bundle.ParseFileName(c.name); {
		case i >= most:
			p.Bytes += c.parts
			continue
		case err == nil:
			p.Bundles = append(p.Bundles, c.name)
		default:
			p.Segments = append(p.Segments, c.name)
		}
		p.Bytes += c.bytes
	}
	slices.Sort(p.Bundles)
	slices.Sort(p.Segments)
}

// atMost returns the maximum size of the transfer, in bytes.
func (d *difference) atMost(finished map[string]int64) int64 {
	sum := d.plan.Bytes + d.loose
	for name, s := range d.bundles {
		sum += max(s.bytes, finished[name])
	}
	for name, s := range d.segments {
		sum += max(s.size, finished[name])
	}
	return sum
}

// finishedFiles returns the sizes of the mirror's bundles and segments that never change
// again.
func finishedFiles(ctx context.Context, cfg *Config) (map[string]int64, error) {
	sizes := map[string]int64{}
	bundles, err := cfg.Mirror.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	segments, err := cfg.Mirror.Catalog.Segments(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range append(bundles, segments...) {
		dir := cfg.Dirs.Bundles
		if _, err := bundle.ParseFileName(b.Name); err != nil {
			dir = cfg.Dirs.DeepOrUsual()
		}
		if !b.Whole || b.Thrown() {
			continue
		}
		if info, err := statIn(dir, b.Name); err == nil {
			sizes[b.Name] = info.Size()
		}
	}
	return sizes, nil
}

// isWhole reports whether a row is carried in a file of the mirror that is carried
// unchanged.
func isWhole(p *plan, at store.Placement) bool {
	if at.Bundle != "" {
		return isIn(p.Bundles, at.Bundle)
	}
	return !at.Loose && isIn(p.Segments, at.Deep.Segment)
}

// isIn reports whether a sorted list has a name.
func isIn(list []string, name string) bool {
	_, found := slices.BinarySearch(list, name)
	return found
}
