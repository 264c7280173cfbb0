package follow

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Progress returns a function that returns the state of a run: in bytes while bundles of
// v1.1.0 are taken over, in crates while the plan is made, then in versions.
func Progress(p *mirror.Progress) func() console.State {
	return func() console.State {
		c := p.Snapshot()
		s := console.State{Done: c.Processed(), Total: c.Total(), Processed: c.Processed(), Line: line(c)}
		switch {
		case c.OldRead < c.OldBytes:
			s.Done, s.Total, s.Processed = c.OldRead, c.OldBytes, c.TakenOver
			s.Attrs = []any{"phase", "taking over", "read", c.OldRead, "total", c.OldBytes, "crates", c.TakenOver}
		case c.Plan == nil:
			s.Attrs = []any{"phase", "planning", "crates", c.CratesPlanned}
		default:
			s.Attrs = []any{"processed", c.Processed(), "total", c.Total(), "ok", c.OK(), "errors", c.Errors(),
				"rate_per_sec", fmt.Sprintf("%.1f", c.Rate()), "bytes", c.Bytes, "eta", c.Left().Round(time.Second).String()}
			if c.Phase() != runstate.Mirroring || c.PutOff > 0 {
				s.Attrs = append(s.Attrs, "phase", c.Phase(), "put_off", c.PutOff)
			}
		}
		return s
	}
}

func line(c mirror.Counts) string {
	if c.OldRead < c.OldBytes {
		return fmt.Sprintf(" taking over bundles of v1.1.0: %s of %s, %s crates", human.Size(c.OldRead), human.Size(c.OldBytes), human.Count(c.TakenOver))
	}
	if c.Plan == nil {
		return fmt.Sprintf(" planning: %s crates", human.Count(c.CratesPlanned))
	}
	text := fmt.Sprintf(" %s of %s, %s/s, %s", human.Count(c.Processed()), human.Count(c.Total()), human.Count(int64(c.Rate())), human.Size(c.Bytes))
	if c.Phase() == runstate.Finishing {
		return fmt.Sprintf(" %s of %s, %s, finishing: what was stored is closed, read back and recorded", human.Count(c.Processed()), human.Count(c.Total()), human.Size(c.Bytes)) + notHeld(c)
	}
	if left := c.Left(); left > 0 {
		text += ", " + left.Round(time.Second).String() + " left"
	}
	if detail := c.Detail(); c.Pass > 1 || detail != "" {
		text += strings.TrimSuffix(", "+c.Phase()+" "+detail, " ")
	}
	return text + notHeld(c)
}

func notHeld(c mirror.Counts) string {
	if n := c.Errors(); n > 0 {
		return fmt.Sprintf(", %s not held", human.Count(n))
	}
	return ""
}

// UpdateState returns the progress of an index update, from git's output.
func UpdateState(detail string) console.State {
	const phase = runstate.UpdatingIndex
	st := console.State{Line: " " + phase, Attrs: []any{"phase", phase, "git", human.Printable(detail)}}
	if detail == "" {
		return st
	}
	st.Line += ": " + human.Printable(detail)
	if before, _, found := strings.Cut(detail, "%"); found {
		if percent, err := strconv.Atoi(before[strings.LastIndexByte(before, ' ')+1:]); err == nil {
			st.Done, st.Total = int64(percent), 100
		}
	}
	return st
}
