package dependants

import (
	"bytes"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A month is the number of a month since the year 0.
type month uint16

// A Point has the numbers at the end of a month.
type Point struct {
	Month            time.Time // its first day, UTC
	Crates, Versions int
}

// growth counts publications per month.
type growth struct {
	of     map[uint32][]month   // by number of the crate, sorted; a month occurs once per version
	latest map[uint32]time.Time // by number of the crate: the last publication
}

func newGrowth() growth { return growth{map[uint32][]month{}, map[uint32]time.Time{}} }

func (g *growth) add(n uint32, entries []index.Entry) {
	var months []month
	var latest []byte
	for i := range entries {
		if m, at, ok := published(entries[i].Raw); ok {
			months = append(months, m)
			if bytes.Compare(at, latest) > 0 {
				latest = at
			}
		}
	}
	g.remove(n)
	if len(months) == 0 {
		return
	}
	slices.Sort(months)
	g.of[n] = slices.Clip(months)
	if t, err := time.Parse(time.RFC3339, string(latest)); err == nil && !t.After(time.Now()) {
		g.latest[n] = t
	}
}

func (g *growth) remove(n uint32) {
	delete(g.of, n)
	delete(g.latest, n)
}

// pubtime precedes the time of publication in a line. Parsing every line as JSON again
// would double the cost of reading an index.
var pubtime = []byte(`"pubtime":"`)

// published returns the month of a line's publication, and its time to the second, as
// written in the index, in UTC. Times before crates.io existed do not count.
func published(line []byte) (m month, at []byte, ok bool) {
	i := bytes.LastIndex(line, pubtime)
	if i < 0 || len(line) < i+len(pubtime)+7 {
		return 0, nil, false
	}
	at = line[i+len(pubtime):]
	at = at[:min(len(at), len("2006-01-02T15:04:05Z"))]
	t, err := time.Parse("2006-01", string(at[:7]))
	if err != nil || t.Year() < 2014 || t.After(time.Now()) {
		return 0, nil, false
	}
	return month(t.Year()*12 + int(t.Month()) - 1), at, true
}

// total returns the publications of each month: versions in the lower half, crates in the
// upper.
func (g *growth) total() map[month]int {
	all := map[month]int{}
	for _, months := range g.of {
		all[months[0]] += 1 << 32
		for _, m := range months {
			all[m]++
		}
	}
	return all
}

// Growth returns the numbers at the end of each month, from the first one on, or nothing if
// the index does not have times of publication.
func (g *Graph) Growth() (points []Point) {
	if g == nil || len(g.months) == 0 {
		return nil
	}
	first, last := month(1<<16-1), month(0)
	for m := range g.months {
		first, last = min(first, m), max(last, m)
	}
	sum := 0
	for m := first; m <= last; m++ {
		sum += g.months[m]
		points = append(points, Point{time.Date(int(m/12), time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC), sum >> 32, sum & (1<<32 - 1)})
	}
	return points
}
