package sidecar

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// State returns the progress of a run over the index, whose size only git knows.
func (p *Progress) State() console.State {
	c := p.Snapshot()
	return console.State{
		Processed: c.Done(),
		Line:      fmt.Sprintf(" %s crates, %s sidecars, %s/s", human.Count(c.Crates), human.Count(c.Done()), human.Count(int64(c.Rate()))),
		Attrs: []any{"crates", c.Crates, "processed", c.Done(), "written", c.Written, "existing", c.Kept, "errors", c.Problems,
			"rate_per_sec", fmt.Sprintf("%.1f", c.Rate())},
	}
}
