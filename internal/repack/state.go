package repack

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// State returns the state of a run on total versions, for a progress display.
func (p *Progress) State(total int64) func() console.State {
	return func() console.State {
		seen, versions, bytes, packed := p.Seen.Load(), p.Versions.Load(), p.Bytes.Load(), p.Packed.Load()
		s := console.State{Done: seen, Total: total, Processed: versions}
		s.Line = fmt.Sprintf(" %s of %s looked at, %s packed", human.Count(seen), human.Count(total), human.Size(bytes))
		if bytes > 0 {
			s.Line += fmt.Sprintf(" into %s (%.0f %%)", human.Size(packed), 100*float64(packed)/float64(bytes))
		}
		s.Attrs = []any{"looked_at", seen, "total", total, "packed", versions, "bytes", bytes, "packed_bytes", packed}
		return s
	}
}
