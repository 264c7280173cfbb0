package extract

import (
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// State is the state of an extraction: bytes of bundles or segments.
func (p *Progress) State() console.State {
	c := p.Snapshot()
	left := time.Duration(0)
	if c.Read > 0 {
		left = (time.Duration(float64(c.Elapsed) * float64(c.Size-c.Read) / float64(c.Read))).Round(time.Second)
	}
	s := console.State{Done: c.Read, Total: c.Size, Processed: c.OK()}
	s.Line = fmt.Sprintf(" %s of %s, %s crates, %s/s", human.Size(c.Read), human.Size(c.Size), human.Count(c.OK()), human.Count(int64(c.Rate())))
	if left > 0 {
		s.Line += ", " + left.String() + " left"
	}
	s.Attrs = []any{"bundles", c.Bundles, "read", c.Read, "total", c.Size, "extracted", c.Extracted, "existing", c.Kept,
		"rate_per_sec", fmt.Sprintf("%.1f", c.Rate()), "eta", left.String()}
	return s
}
