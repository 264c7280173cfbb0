package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/sidecar"
)

// printSidecars tells a person what a run has come to.
func printSidecars(w io.Writer, s *sidecar.Summary, cfg *sidecarsConfig) {
	fmt.Fprintf(w, "%s sidecars are in %s (%s, %s/s)\n", human.Count(s.Done()), cfg.target(), s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())))
	for _, row := range []struct {
		n    int64
		what string
	}{
		{s.Written, "written"},
		{s.Kept, "there already, with the same content"},
		{s.Yanked, "versions left out because they are yanked (-include-yanked takes them)"},
		{s.NotHeld, "crates that the mirror does not hold"},
		{s.Unreadable, "crates that say nothing of themselves; the log says why"},
		{s.Counts.Problems, "without a sidecar, or with an old one"},
	} {
		if row.n > 0 {
			fmt.Fprintf(w, "%12s  %s\n", human.Count(row.n), row.what)
		}
	}
	if len(s.Problems) == 0 {
		return
	}
	fmt.Fprintf(w, "not as it should be:\n")
	for _, err := range s.Problems {
		fmt.Fprintf(w, "  %s\n", human.Printable(err.Error()))
	}
	if more := s.Counts.Problems - int64(len(s.Problems)); more > 0 {
		fmt.Fprintf(w, "  and %s more, which the log names\n", human.Count(more))
	}
}
