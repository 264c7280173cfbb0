package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/sidecar"
)

// printSidecars tells a person what a run has come to.
func printSidecars(w io.Writer, s *sidecar.Summary, cfg *sidecarsConfig) {
	fmt.Fprintf(w, "%s sidecars are in %s (%s, %s/s)\n", human.Count(s.Done()), cfg.target(), s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())))
	row := console.Rows(w)
	row(s.Written, "written")
	row(s.Kept, "there already, with the same content")
	row(s.Yanked, "versions left out because they are yanked (-include-yanked takes them)")
	row(s.NotHeld, "crates that the mirror does not hold")
	row(s.Unreadable, "crates that say nothing of themselves; the log says why")
	row(s.Counts.Problems, "without a sidecar, or with an old one")
	console.Problems{Heading: "not as it should be:", First: s.Problems, All: s.Counts.Problems, More: ", which the log names"}.Print(w)
}
