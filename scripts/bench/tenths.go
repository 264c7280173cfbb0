//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// tenths returns the versions per second in the first and the last tenth of a run, by the
// times in its manifest.
func (b *bencher) tenths() (first, last float64, err error) {
	f, err := os.Open(b.path("manifest.jsonl"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var came []time.Time
	for lines := json.NewDecoder(bufio.NewReaderSize(f, 1<<20)); ; {
		var line struct {
			FinishedAt time.Time `json:"finished_at"`
			Status     string
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, 0, fmt.Errorf("reading the manifest: %w", err)
		}
		if line.Status == "downloaded" {
			came = append(came, line.FinishedAt)
		}
	}
	n := len(came) / 10
	if n < 2 {
		return 0, 0, errors.New("the manifest has too few versions for tenths")
	}
	slices.SortFunc(came, time.Time.Compare)
	rate := func(part []time.Time) float64 { return float64(len(part)-1) / part[len(part)-1].Sub(part[0]).Seconds() }
	return rate(came[:n]), rate(came[len(came)-n:]), nil
}
