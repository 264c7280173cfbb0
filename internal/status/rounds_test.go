package status

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

func TestPrintRounds(t *testing.T) {
	dir := t.TempDir()
	folder, err := durable.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	at := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	err = errors.Join(
		roundlog.Append(folder, roundlog.Round{Began: at, Ended: at.Add(time.Minute), Downloaded: 1234, Bytes: 5_600_000}, 1234),
		roundlog.Append(folder, roundlog.Round{Began: at, Ended: at.Add(time.Hour)}, 0),
		roundlog.Append(folder, roundlog.Round{Began: at, Ended: at.Add(2 * time.Hour)}, 0),
		roundlog.Append(folder, roundlog.Round{Began: at, Ended: at.Add(3 * time.Hour), ExitCode: 3, Failed: 2, Result: "2 versions are not held\x1b[2J"}, 0),
	)
	if err != nil {
		t.Fatal(err)
	}
	print := func(state string, asJSON bool) string {
		t.Helper()
		var out bytes.Buffer
		if err := PrintRounds(&out, state, asJSON); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	want := []string{
		"ENDED                 ROUNDS  EXIT CODE  DOWNLOADED  RECEIVED  FAILED  RESULT",
		"2026-11-28T11:00:00Z  1       3          0           0 B       2       2 versions are not held\ufffd[2J",
		"2026-11-28T10:00:00Z  2       0          0           0 B       0       complete",
		"2026-11-28T08:01:00Z  1       0          1,234       5.6 MB    0       complete", "",
	}
	if diff := cmp.Diff(want, strings.Split(print(dir, false), "\n")); diff != "" {
		t.Error(diff)
	}
	lines := strings.Split(print(dir, true), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], `{"began_at":"2026-11-28T08:00:00Z","ended_at":"2026-11-28T11:00:00Z","rounds":1,"exit_code":3,`) {
		t.Errorf("%q", lines)
	}
	if got := print(filepath.Join(dir, "none"), false); got != "no round of a sync is recorded\n" {
		t.Errorf("%q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, roundlog.Name), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := PrintRounds(&bytes.Buffer{}, dir, false); err == nil || !strings.HasPrefix(err.Error(), "reading rounds.json: ") {
		t.Errorf("a damaged file: %v", err)
	}
}
