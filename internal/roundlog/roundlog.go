// Package roundlog stores the last rounds of a sync, and the number of held versions over
// time, in one small file in the state folder of the mirror, for people.
//
// No program reads the file to decide what to do, and a round is no worse if it cannot be
// written. It is bounded: the oldest [Rounds] are removed, and every second one of older
// [Sizes].
package roundlog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Name is the file's name in the state folder of a mirror.
const Name = "rounds.json"

const (
	// Rounds is the number of rounds that are stored.
	Rounds = 30
	// Sizes is the maximum number of sizes that are stored.
	Sizes = 400
	// maxResult bounds the stored text of an outcome, in bytes.
	maxResult = 500
	// maxSize bounds a file that is read, in bytes.
	maxSize = 256 << 10
)

// A Round is a round that ended, or several in a row that found nothing new.
type Round struct {
	Began      time.Time `json:"began_at"` // the first of them
	Ended      time.Time `json:"ended_at"` // the last of them
	Count      int       `json:"rounds"`
	ExitCode   int       `json:"exit_code"`        // as of a single sync
	Result     string    `json:"result,omitempty"` // empty: complete
	Downloaded int64     `json:"downloaded"`       // versions
	Bytes      int64     `json:"bytes"`            // bytes received
	Failed     int64     `json:"failed"`           // versions that could not be downloaded
}

// Complete reports whether nothing was missing or wrong.
func (r *Round) Complete() bool { return r.ExitCode == 0 && r.Result == "" }

// idle reports whether a round changed nothing.
func (r *Round) idle() bool { return r.Downloaded+r.Bytes+r.Failed == 0 }

// follows reports whether r adds nothing to the round before it.
func (r *Round) follows(before *Round) bool {
	return r.idle() && before.idle() && r.ExitCode == before.ExitCode && r.Result == before.Result
}

// mend corrects values that no round writes.
func (r *Round) mend() {
	r.Count, r.Result = max(1, r.Count), clip(r.Result)
	r.Downloaded, r.Bytes, r.Failed = max(0, r.Downloaded), max(0, r.Bytes), max(0, r.Failed)
}

// A Size is how much was held at a time.
type Size struct {
	At       time.Time `json:"at"`
	Versions int64     `json:"versions"`
}

// A Log is the stored rounds and sizes, the oldest first.
type Log struct {
	Rounds []Round `json:"rounds"`
	Sizes  []Size  `json:"sizes,omitempty"`
}

// Add adds a round. held is the number of versions that the mirror held at its end; 0:
// unknown.
func (l *Log) Add(r Round, held int64) {
	r.Count = 1
	r.Result = clip(r.Result)
	if n := len(l.Rounds); n > 0 && r.follows(&l.Rounds[n-1]) {
		before := &l.Rounds[n-1]
		before.Ended, before.Count = r.Ended, before.Count+1
	} else {
		l.Rounds = append(l.Rounds, r)
	}
	if held > 0 {
		l.measure(Size{r.Ended, held})
	}
	l.bound()
}

// measure adds a size, and replaces an earlier one of the same day.
func (l *Log) measure(s Size) {
	if n := len(l.Sizes); n > 0 && day(l.Sizes[n-1].At) == day(s.At) {
		l.Sizes = l.Sizes[:n-1]
	}
	l.Sizes = append(l.Sizes, s)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// bound removes what exceeds the limits.
func (l *Log) bound() {
	l.Rounds = l.Rounds[max(0, len(l.Rounds)-Rounds):]
	for len(l.Sizes) > Sizes {
		l.thin()
	}
}

// thin removes every second size of the older half, but never the first.
func (l *Log) thin() {
	half := len(l.Sizes) / 2
	kept := l.Sizes[:0]
	for i, s := range l.Sizes {
		if i >= half || i%2 == 0 {
			kept = append(kept, s)
		}
	}
	l.Sizes = kept
}

// clip cuts text to the limit.
func clip(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxResult)], "")
}

// Newest returns the rounds, the latest first.
func (l *Log) Newest() []Round {
	rounds := slices.Clone(l.Rounds)
	slices.Reverse(rounds)
	return rounds
}

// Incomplete returns the number of rounds that were not complete; the rounds of one entry
// count once.
func (l *Log) Incomplete() (n int) {
	for i := range l.Rounds {
		if !l.Rounds[i].Complete() {
			n++
		}
	}
	return n
}

// Read reads the file in a state folder. A missing file is an empty log.
func Read(state durable.Reader) (*Log, error) {
	l := new(Log)
	data, err := durable.ReadFile(state, Name, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(data, l)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", Name, err)
	}
	l.bound() // a person may have edited it
	for i := range l.Rounds {
		l.Rounds[i].mend()
	}
	return l, nil
}

// Append adds a round to the file in a state folder. If the file cannot be read, a new one
// is begun.
func Append(state durable.FS, r Round, held int64) error {
	l, err := Read(state)
	if err != nil {
		l = new(Log)
	}
	l.Add(r, held)
	data, err := json.Marshal(l, jsontext.Multiline(true))
	if err == nil {
		err = durable.WriteFile(state, Name, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", Name, err)
	}
	return nil
}
