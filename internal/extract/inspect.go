package extract

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Format is the format of a bundle.
type Format string

// Formats.
const (
	Seekable Format = "one frame a member"
	Stream   Format = "one frame, as v1.1.0 made them"
)

// Report is the result of inspecting a bundle.
type Report struct {
	Format   Format
	FileSize int64
	Problems []Problem // empty: it is intact; at most some 20
}

// Inspect reads a bundle to its last byte, hashes its members and calls visit with each. An
// error of visit ends it.
func Inspect(ctx context.Context, bundles durable.Reader, name string, visit func(bundle.Member) error) (*Report, error) {
	r := &run{cfg: Config{Bundles: bundles}.withDefaults()}
	r.findSums()
	b, err := r.open(name, 0)
	if err != nil {
		return nil, err
	}
	defer b.file.Close()
	err = r.walk(b, func(m *member) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if m.entry != nil {
			var err error
			if m.Checksum, err = hash(m.entry); err != nil {
				return nil // the scan ends with that error
			}
		}
		return visit(m.Member)
	})
	if err == nil {
		r.compareSum(b)
	}
	report := &Report{Format: Seekable, FileSize: b.size, Problems: r.summary.Problems}
	if b.reader == nil {
		report.Format = Stream
	}
	return report, err
}
