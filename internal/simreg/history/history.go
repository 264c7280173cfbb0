// Package history replays on a simulated registry how a real index changed from one day to
// another: lines of crates.io, commit by commit.
//
// It decides what is published, yanked, deleted and published again, and when. Package
// simreg does the rest.
package history

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// History is a real index on two days and a way from one to the other. The ends are real;
// the way is drawn at random from a seed, by the rules of crates.io: what came back with
// another checksum was deleted at least a day before it was published again.
type History struct {
	first, last time.Time
	steps       int
	crates      map[string][]Span
}

// Span is a line and how long the index had it: from one step until before another.
type Span struct {
	simreg.Line
	From, To int
}

// At reports whether the index has the line at a step.
func (s *Span) At(step int) bool { return s.From <= step && step < s.To }

// Read reads the two folders of dir, with index files at their paths, which are named by
// their dates: 2025-02-10. The way in between has the given number of steps.
func Read(dir string, steps int, seed uint64) (*History, error) {
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the history of an index: %w", err)
	}
	folders = slices.DeleteFunc(folders, func(e fs.DirEntry) bool { return !e.IsDir() })
	if len(folders) != 2 || steps < 3 {
		return nil, fmt.Errorf("reading the history of an index: %s has %d folders for %d steps, want two days and three steps", dir, len(folders), steps)
	}
	h := &History{steps: steps, crates: make(map[string][]Span)}
	var days [2]map[string][]simreg.Line
	for i, at := range []*time.Time{&h.first, &h.last} {
		name := folders[i].Name()
		if *at, err = parseDay(name); err != nil {
			return nil, fmt.Errorf("reading the history of an index: %w", err)
		}
		if days[i], err = readDay(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("reading the index of %s: %w", name, err)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	names := maps.Clone(days[0])
	maps.Copy(names, days[1])
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w := way{rng: rng, steps: steps, end: steps + 1}
		h.crates[name] = w.crate(days[0][name], days[1][name])
	}
	return h, nil
}

// parseDay parses a day, or a month that stands for its first day.
func parseDay(name string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, name)
	if err != nil {
		t, err = time.Parse("2006-01", name)
	}
	return t, err
}

// readDay returns the lines of each crate.
func readDay(dir string) (map[string][]simreg.Line, error) {
	crates := make(map[string][]simreg.Line)
	return crates, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for text := range bytes.Lines(data) {
			line, err := simreg.ParseLine(bytes.TrimSuffix(text, []byte("\n")))
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			crates[line.ID.Name] = append(crates[line.ID.Name], line)
		}
		return nil
	})
}

// Steps returns the number of the last step, at which the index is the real one of the
// later day; at step 0 it is that of the earlier day.
func (h *History) Steps() int { return h.steps }

// Date returns the time of a step; steps are spread evenly.
func (h *History) Date(step int) time.Time {
	return h.first.Add(h.last.Sub(h.first) * time.Duration(step) / time.Duration(h.steps))
}

// Spans returns every line that the index ever had, by crate.
func (h *History) Spans() map[string][]Span { return h.crates }

// Play makes r the index at a step, and sets the time of the next commit. It only changes
// crates of the history that change at that step.
func (h *History) Play(r *simreg.Registry, step int) {
	for _, name := range slices.Sorted(maps.Keys(h.crates)) {
		var lines []simreg.Line
		changed := false
		for _, s := range h.crates[name] {
			changed = changed || s.From == step || s.To == step
			if s.At(step) {
				lines = append(lines, s.Line)
			}
		}
		if changed {
			r.SetCrate(name, lines...)
		}
	}
	r.Date(h.Date(step))
}

// way draws how crates changed from one day to the other.
type way struct {
	rng   *rand.Rand
	steps int
	end   int // after the last step
}

// Shares of versions and crates that changed temporarily, without a trace on either day.
const (
	flippedShare  = 0.25 // of the versions: yanked and unyanked, or the reverse
	restoredShare = 0.25 // of the crates: deleted and restored
)

func (w *way) crate(first, last []simreg.Line) []Span {
	is := make(map[crate.ID]simreg.Line)
	for _, l := range last {
		is[l.ID] = l
	}
	kept := slices.ContainsFunc(first, func(l simreg.Line) bool { return is[l.ID].Sum == l.Sum })
	if kept {
		return w.livesOn(first, is, last)
	}
	if len(first) == 0 {
		return w.published(0, last)
	}
	// Owners delete whole crates.
	gone := w.between(1, w.steps-1)
	var spans []Span
	for _, l := range first {
		spans = append(spans, Span{l, 0, gone})
	}
	return append(spans, w.published(gone, last)...)
}

// livesOn returns the spans of a crate with a version that stayed.
func (w *way) livesOn(first []simreg.Line, is map[crate.ID]simreg.Line, last []simreg.Line) (spans []Span) {
	was := make(map[crate.ID]bool)
	gone := w.between(1, w.steps-1)
	for _, l := range first {
		now := is[l.ID]
		if now.Sum != l.Sum { // deleted, and perhaps published again
			spans = append(spans, Span{l, 0, gone})
			continue
		}
		was[l.ID] = true
		spans = append(spans, w.changed(l, now)...)
	}
	last = slices.DeleteFunc(slices.Clone(last), func(l simreg.Line) bool { return was[l.ID] })
	spans = append(spans, w.published(gone, last)...)
	if w.rng.Float64() < restoredShare {
		from := w.between(1, w.steps-2)
		spans = without(spans, from, w.between(from+1, w.steps-1))
	}
	return spans
}

// changed returns the spans of a version whose line changed, perhaps only temporarily.
func (w *way) changed(was, now simreg.Line) []Span {
	at := w.between(1, w.steps)
	if !bytes.Equal(was.Text, now.Text) {
		return []Span{{was, 0, at}, {now, at, w.end}}
	}
	if w.rng.Float64() >= flippedShare || at == w.steps {
		return []Span{{was, 0, w.end}}
	}
	flipped := was.Yanked(!bytes.Contains(was.Text, []byte(`"yanked":true`)))
	back := w.between(at+1, w.steps)
	return []Span{{was, 0, at}, {flipped, at, back}, {now, back, w.end}}
}

// published returns the spans of lines that are added after a step, one after the other.
func (w *way) published(after int, lines []simreg.Line) (spans []Span) {
	steps := make([]int, len(lines))
	for i := range steps {
		steps[i] = w.between(after+1, w.steps)
	}
	slices.Sort(steps)
	for i, l := range lines {
		spans = append(spans, Span{l, steps[i], w.end})
	}
	return spans
}

// without removes the steps between from and to from spans.
func without(spans []Span, from, to int) (out []Span) {
	for _, s := range spans {
		if s.From < from {
			out = append(out, Span{s.Line, s.From, min(s.To, from)})
		}
		if s.To > to {
			out = append(out, Span{s.Line, max(s.From, to), s.To})
		}
	}
	return out
}

// between returns a random step between two others, inclusive.
func (w *way) between(from, to int) int { return from + w.rng.IntN(to-from+1) }
