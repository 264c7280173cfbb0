package policy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// ownerChanges are the times at which crates got owners, except their first ones, by folded
// names.
type ownerChanges map[string][]time.Time

// maxOwners bounds the lines of a file. The dump of crates.io has some 300,000.
const maxOwners = 3_000_000

// readOwners reads a file of lines "crate,time", one per owner of a crate, with times in
// the format of crates.io's database. The file is made from a dump of crates.io
// (docs/policy.md). A dump does not have removed owners.
func readOwners(path string) (ownerChanges, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the owners of crates: %w", err)
	}
	defer in.Close()
	changes, err := parseOwners(in)
	if err != nil {
		return nil, fmt.Errorf("reading the owners of crates, %s: %w", path, err)
	}
	return changes, nil
}

func parseOwners(in io.Reader) (ownerChanges, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord, r.ReuseRecord = 2, true
	all := ownerChanges{}
	for line := 1; ; line++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := crate.CheckName(record[0]); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		at, err := ownerTime(record[1])
		if err != nil && line == 1 {
			continue // a heading
		}
		if err != nil || line > maxOwners {
			return nil, fmt.Errorf("line %d: %.60q is no time, or there are too many lines: want 2026-01-31T12:00:00Z, %d lines at most", line, record[1], maxOwners)
		}
		name := fold(strings.Clone(record[0]))
		all[name] = append(all[name], at)
	}
	for name, times := range all {
		slices.SortFunc(times, time.Time.Compare)
		if all[name] = times[1:]; len(times) == 1 {
			delete(all, name)
		}
	}
	return all, nil
}

func ownerTime(text string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999", time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("no time")
}
