package export

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// State returns the progress for display.
func (p *Progress) State() console.State {
	c := p.Snapshot()
	s := console.State{Done: c.Done, Total: c.Total, Processed: c.Done}
	s.Line = fmt.Sprintf(" %s of %s crates, %s versions, %s", human.Count(c.Done), human.Count(c.Total), human.Count(c.Versions), human.Size(c.Bytes))
	if n := c.Damaged + c.Failed; n > 0 {
		s.Line += fmt.Sprintf(", %s bad", human.Count(n))
	}
	s.Attrs = []any{"crates", c.Done, "total", c.Total, "versions", c.Versions, "bytes", c.Bytes, "bad", c.Damaged + c.Failed}
	return s
}
