package status

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

// PrintRounds writes the last rounds in a state folder, the newest first: for a person, or
// as one object per line, with the fields of [roundlog.Round].
func PrintRounds(out io.Writer, state string, asJSON bool) error {
	rounds, err := readRounds(state)
	if err != nil {
		return err
	}
	if asJSON {
		for i := range rounds {
			if err := console.JSON(out, &rounds[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rounds) == 0 {
		_, err := fmt.Fprintln(out, "no round of a sync is recorded")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENDED\tROUNDS\tEXIT CODE\tDOWNLOADED\tRECEIVED\tFAILED\tRESULT")
	for i := range rounds {
		r := &rounds[i]
		result := "complete"
		if !r.Complete() {
			result = human.Printable(r.Result)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Ended.UTC().Format(time.RFC3339), human.Count(int64(r.Count)), r.ExitCode,
			human.Count(r.Downloaded), human.Size(r.Bytes), human.Count(r.Failed), result)
	}
	return w.Flush()
}

// readRounds returns no rounds if no run was ever here.
func readRounds(state string) ([]roundlog.Round, error) {
	folder, err := durable.Open(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	l, err := roundlog.Read(folder)
	if err != nil {
		return nil, err
	}
	return l.Newest(), nil
}
