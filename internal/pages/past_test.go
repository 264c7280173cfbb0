package pages

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// pastOf is the past of a fixture.
type pastOf struct {
	days    []index.Day
	crates  map[string]*reader.Crate // as they were on any day, by name
	history map[string]*reader.History
	err     error
}

func (f *fixture) Days(context.Context) ([]index.Day, error) { return f.past.days, nil }

func (f *fixture) At(_ context.Context, point string) (reader.Past, error) {
	for _, d := range slices.Backward(f.past.days) {
		if d.Date <= point || strings.HasPrefix(d.Commit, point) {
			return reader.Past{Revision: d.Revision, Final: d.Date >= point}, f.past.err
		}
	}
	if len(f.past.days) == 0 {
		return reader.Past{}, index.ErrNoPast
	}
	return reader.Past{}, fs.ErrNotExist
}

func (f *fixture) CrateAt(_ context.Context, commit, name string) (*reader.Crate, error) {
	if c := f.past.crates[strings.ToLower(name)]; c != nil {
		return c, f.past.err
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

func (f *fixture) History(_ context.Context, name, until string) (*reader.History, error) {
	if len(f.past.days) == 0 {
		return nil, index.ErrNoPast
	}
	if h := f.past.history[strings.ToLower(name)]; h != nil {
		return h, f.past.err
	}
	return nil, fs.ErrNotExist
}

// withPast gives a fixture three days, and serde a history.
func (f *fixture) withPast() {
	for i, date := range []string{"2025-09-20", "2025-09-28", "2025-11-01"} {
		made, _ := time.Parse(time.DateOnly, date)
		f.past.days = append(f.past.days, index.Day{Date: date, Revision: index.Revision{Commit: fmt.Sprintf("%d%039x", i+1, 0xabc), Time: made.Add(20 * time.Hour)}})
	}
	now := f.crates["serde"].Entries
	then := slices.Clone(now[:4])
	then[0].Checksum = crate.Checksum{0xbe, 0xf0}
	then[1].Yanked, then[2].Yanked = true, false
	gone := then[3]
	gone.ID.Version = "1.0.229"
	f.past.crates = map[string]*reader.Crate{"serde": {Name: "serde", Path: "se/rd/serde", Entries: append(then, gone), Left: 2}}
	change := func(k diff.Kind, version string) diff.Change {
		return diff.Change{Kind: k, Key: crate.Key{ID: crate.ID{Name: "serde", Version: version}}}
	}
	many := make([]diff.Change, 0, 50)
	for i := range 50 {
		many = append(many, change(diff.Added, fmt.Sprintf("0.8.%d", i)))
	}
	f.past.history = map[string]*reader.History{"serde": {
		Until: "2025-11-01", From: "2025-09-20", Versions: 312,
		Days: []reader.ChangedDay{
			{Day: f.past.days[2], Changes: []diff.Change{change(diff.Added, "2.0.0-rc.1+build.7"), change(diff.Removed, "1.0.229"),
				change(diff.Republished, "0.9.15"), change(diff.Yanked, "1.0.171"), change(diff.Unyanked, "1.0.99"), change(diff.Changed, "1.0.228")}},
			{Day: f.past.days[1], Changes: many, More: 151, New: true},
		},
	}}
}

// What a crate was on a day says what has become of its versions since, and gives out
// the bytes of then.
func TestDayOfACrate(t *testing.T) {
	f := newFixture()
	f.withPast()
	h := newHandler(t, f, testURL)
	body := get(h, "/crate/serde/at?day=2025-09-28").Body.String()
	for _, want := range []string{
		"5 versions", "1 yanked, 2 more not held here", "not in the index now", "published again since", "un-yanked since",
		`<span class="since">yanked since</span>`, `href="/crates/crates/serde/0.9.15/` + crate.Checksum{0xbe, 0xf0}.String() + `.crate"`,
		"sparse&#43;https://mirror.example/crates/snapshot/2025-09-28/", `min="2025-09-20" max="2025-11-01" value="2025-09-28"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	// Of a crate that is gone, its history is left.
	f.past.history["gone"] = f.past.history["serde"]
	for path, want := range map[string]bool{"/crate/gone": true, "/crate/never": false} {
		w := get(h, path)
		if has := strings.Contains(w.Body.String(), `It was here before: see <a href="/crates/crate/gone/history">its history</a>`); has != want || w.Code != http.StatusNotFound {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
	}
	// A day that is not over leads elsewhere tomorrow: its commit is named.
	if body := get(h, "/crate/serde/at?day=2025-11-20").Body.String(); !strings.Contains(body, "/snapshot/"+f.past.days[2].Commit+"/") {
		t.Errorf("no commit in\n%s", body)
	}
}

// The address that cargo is given for a day says to a person what it is.
func TestSnapshotPage(t *testing.T) {
	f := newFixture()
	f.withPast()
	h := newHandler(t, f, testURL)
	for path, want := range map[string]string{
		"/snapshot/2025-09-28/": "sparse&#43;https://mirror.example/crates/snapshot/2025-09-28/",
		"/snapshot/2025-09-28":  "It is commit <code>" + f.past.days[1].Commit + "</code> of the index, of 2025-09-28 20:00 UTC",
		"/snapshot/2025-11-20/": "/snapshot/" + f.past.days[2].Commit + "/", // not over yet
	} {
		if w := get(h, path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, no %q in\n%s", path, w.Code, want, w.Body)
		}
	}
	for path, want := range map[string]string{
		"/snapshot/2001-01-01/": "nothing as of 2001-01-01: it is kept from 2025-09-20 to 2025-11-01",
		"/snapshot/HEAD/":       "Say which day",
	} {
		if w := get(h, path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, no %q in\n%s", path, w.Code, want, w.Body)
		}
	}
}

// H22: points in the past that are invalid or empty, and requests beside other readers.
func TestH22PointsOfPages(t *testing.T) {
	f := newFixture()
	f.withPast()
	h := newHandler(t, f, testURL)
	for path, want := range map[string]string{
		"/crate/serde/at":                        "Say which day, as in 2026-03-01.",
		"/crate/serde/at?day=2025-02-30":         "Say which day",
		"/crate/serde/at?day=--all":              "Say which day",
		"/crate/serde/at?day=<script>":           "Say which day",
		"/crate/serde/history?until=x":           "Say which day",
		"/crate/serde/at?day=2001-01-01":         "The index is not kept from as early as 2001-01-01: the first day is 2025-09-20.",
		"/crate/autocfg/at?day=2025-09-28":       "As of 2025-09-28, there is no crate called autocfg in the index, or this mirror stores no version of that day.",
		"/crate/autocfg/history":                 "This mirror has never held a version of autocfg.",
		"/crate/.../history":                     "A crate cannot have that name.",
		"/crate/a%00b/at?day=2025-09-28":         "A crate cannot have that name.",
		"/crate/serde/history/more":              "There is no such page",
		"/crate/serde/at?day=2025-09-28&page=99": "",
	} {
		w := get(h, path)
		if status := w.Code; want != "" && (status != http.StatusNotFound || !strings.Contains(w.Body.String(), want)) || want == "" && status != http.StatusOK {
			t.Errorf("%s: %d, want %q in\n%s", path, status, want, w.Body)
		}
	}
	f.past.err = reader.ErrBusy
	for _, path := range []string{"/crate/serde/at?day=2025-09-28", "/crate/serde/history"} {
		if w := get(h, path); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), "Ask again in a moment") {
			t.Errorf("%s, busy: %d\n%s", path, w.Code, w.Body)
		}
	}
	plain := newHandler(t, newFixture(), testURL)
	for _, path := range []string{"/crate/serde/at?day=2025-09-28", "/crate/serde/history"} {
		if w := get(plain, path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "a plain folder, which has no past") {
			t.Errorf("%s, of a plain folder: %d\n%s", path, w.Code, w.Body)
		}
	}
	if body := get(plain, "/crate/serde").Body.String(); strings.Contains(body, "Its past") {
		t.Error("a mirror without a past offers one")
	}
}
