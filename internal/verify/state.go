package verify

import (
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// State returns the state of a sweep over total versions, for a progress display; before is
// the number done before it was resumed.
func (p *Progress) State(before, total int64) func() console.State {
	begun := time.Now()
	return func() console.State {
		versions, bytes, problems := p.Counts()
		s := console.State{Done: before + versions, Total: total, Processed: versions}
		rate := int64(float64(bytes) / max(time.Since(begun).Seconds(), 0.001))
		s.Line = fmt.Sprintf(" %s of %s, %s/s", human.Count(s.Done), human.Count(s.Total), human.Size(rate))
		if problems > 0 {
			s.Line += fmt.Sprintf(", %s bad", human.Count(problems))
		}
		s.Attrs = []any{"versions", s.Done, "total", s.Total, "bytes", bytes, "bad", problems}
		return s
	}
}
