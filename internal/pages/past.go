package pages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/diff"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// A calendar is the form for choosing a day of a crate.
type calendar struct {
	Name        string // of the crate
	First, Last string // first and last day
	Day         string // the chosen one
}

// calendar returns nil if there is no history.
func (h *Handler) calendar(ctx context.Context, name, day string) *calendar {
	days, err := h.cfg.Mirror.Days(ctx)
	if err != nil {
		h.cfg.Log.Warn("the past of the index cannot be listed", "err", err)
	}
	if len(days) == 0 {
		return nil
	}
	return &calendar{name, days[0].Date, days[len(days)-1].Date, day}
}

// historyData is the past of a crate, day by day.
type historyData struct {
	Name     string
	Calendar *calendar
	Days     []historyDay
	*reader.History
}

// Now reports whether this part begins with the newest day.
func (d historyData) Now() bool { return d.Calendar == nil || d.Until >= d.Calendar.Last }

type historyDay struct {
	reader.ChangedDay
	Groups []changeGroup
}

// A changeGroup is the versions with the same change.
type changeGroup struct {
	What     string
	Versions words
}

// kindWords are the page's words for changes of versions.
var kindWords = map[diff.Kind]string{
	diff.Added: "published", diff.Removed: "removed", diff.Republished: "published again with other bytes",
	diff.Yanked: "yanked", diff.Unyanked: "un-yanked", diff.Changed: "changed in other fields",
}

// history shows on which days a crate changed.
func (h *Handler) history(r *http.Request) (page, error) {
	id := crate.ID{Name: r.PathValue("name")}
	if err := checkID(id); err != nil {
		return page{}, err
	}
	until := r.FormValue("until")
	if until != "" && !index.IsDay(until) {
		return page{}, errNoDay
	}
	past, err := h.cfg.Mirror.History(r.Context(), id.Name, until)
	if err != nil {
		return page{}, h.ofThePast(r.Context(), id.Name, "", err)
	}
	data := historyData{Name: h.spelling(r.Context(), id.Name), History: past}
	data.Calendar = h.calendar(r.Context(), data.Name, "")
	for _, d := range past.Days {
		data.Days = append(data.Days, historyDay{d, groups(d.Changes)})
	}
	return page{template: "history", Title: data.Name + " · History", Data: data}, nil
}

// spelling returns the crate's current spelling of its name, if the crate exists.
func (h *Handler) spelling(ctx context.Context, name string) string {
	if c, err := h.cfg.Mirror.Crate(ctx, name); err == nil {
		return c.Name
	}
	return name
}

// groups groups changes of the same kind.
func groups(changes []diff.Change) (all []changeGroup) {
	for _, k := range diff.Kinds {
		var versions []string
		for i := range changes {
			if changes[i].Kind == k {
				versions = append(versions, changes[i].Version)
			}
		}
		if versions != nil {
			all = append(all, changeGroup{kindWords[k], newWords(versions)})
		}
	}
	return all
}

// dayData is a crate as it was on a day.
type dayData struct {
	Name      string
	Calendar  *calendar
	Point     string // as in the request
	Past      reader.Past
	Snapshot  string // cargo's configuration
	Versions  int
	Yanked    int
	Left      int // versions of that time that are not held
	Rows      []pastRow
	Pager     pager
	GoneSince bool // the mirror no longer shows the crate
}

// A pastRow is a version in the past, and what has happened to it since.
type pastRow struct {
	row
	Since    string // empty: nothing
	Download string // path of the bytes of that time
}

// day shows a crate as it was on a day.
func (h *Handler) day(r *http.Request) (page, error) {
	id, point := crate.ID{Name: r.PathValue("name")}, r.FormValue("day")
	if err := checkID(id); err != nil {
		return page{}, err
	}
	if !index.IsDay(point) && !index.IsCommit(point) {
		return page{}, errNoDay
	}
	past, err := h.cfg.Mirror.At(r.Context(), point)
	if err != nil {
		return page{}, h.ofThePast(r.Context(), id.Name, point, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), pastTime)
	defer cancel()
	c, err := h.cfg.Mirror.CrateAt(ctx, past.Commit, id.Name)
	if ctx.Err() != nil && r.Context().Err() == nil {
		err = reader.ErrBusy
	}
	if err != nil {
		return page{}, h.ofThePast(r.Context(), id.Name, point, err)
	}
	data := dayData{
		Name: c.Name, Calendar: h.calendar(r.Context(), c.Name, point), Point: point, Past: past,
		Snapshot: h.snapshotConfig(r, point, past), Versions: len(c.Entries), Left: c.Left,
		Pager: newPager(r, rowsPerPage, h.pages.path("crate", c.Name, "at"), url.Values{"day": {point}}),
	}
	data.Pager.Total = len(c.Entries)
	for i := range c.Entries {
		if c.Entries[i].Yanked {
			data.Yanked++
		}
	}
	h.addPastRows(r.Context(), &data, c)
	return page{template: "day", Title: c.Name + " as of " + point, Data: data}, nil
}

// pastTime is how long a page waits to read the past of the index.
const pastTime = 3 * time.Second

func (h *Handler) addPastRows(ctx context.Context, data *dayData, c *reader.Crate) {
	now := map[string]*reader.Entry{}
	if current, err := h.cfg.Mirror.Crate(ctx, c.Name); err == nil {
		for i := range current.Entries {
			now[current.Entries[i].Version] = &current.Entries[i]
		}
	}
	data.GoneSince = len(now) == 0
	sorted := c.NewestFirst()
	rest := sorted[min(data.Pager.offset(), len(sorted)):]
	for _, e := range rest[:min(len(rest), rowsPerPage)] {
		download := h.pages.path("crates", e.Name, e.Version, e.Checksum.String()+crate.Ext)
		data.Rows = append(data.Rows, pastRow{row{e, parseFacts(e.Raw)}, since(&e, now[e.Version]), download})
	}
}

// since returns what has happened to a version; now is nil if it is no longer shown.
func since(then, now *reader.Entry) string {
	switch {
	case now == nil:
		return "not in the index now"
	case now.Checksum != then.Checksum:
		return "published again since"
	case now.Yanked && !then.Yanked:
		return "yanked since"
	case then.Yanked && !now.Yanked:
		return "un-yanked since"
	}
	return ""
}

// snapshotConfig returns cargo's configuration for the registry of that time. If the point
// may mean another commit tomorrow, it names the commit.
func (h *Handler) snapshotConfig(r *http.Request, point string, past reader.Past) string {
	if !past.Final {
		point = past.Commit
	}
	return publicurl.CargoConfig("sparse+" + h.cfg.PublicURL.For(r) + "/snapshot/" + point + "/")
}

var errNoDay = &missing{what: "Say which day, as in 2026-03-01."}

// ofThePast returns an error that says what the past does not have, and what it has.
func (h *Handler) ofThePast(ctx context.Context, name, point string, err error) error {
	switch {
	case errors.Is(err, index.ErrNoPast):
		return &missing{what: "The index of this mirror is a plain folder, which has no past."}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	days, daysErr := h.cfg.Mirror.Days(ctx)
	switch {
	case daysErr != nil:
		return daysErr
	case len(days) > 0 && index.IsDay(point) && point < days[0].Date:
		return &missing{what: fmt.Sprintf("The index is not kept from as early as %s: the first day is %s.", point, days[0].Date)}
	case point != "":
		return &missing{what: fmt.Sprintf("As of %s, there is no crate called %s in the index, or this mirror stores no version of that day.", clip(point, maxText), name)}
	}
	return &missing{what: "This mirror has never held a version of " + name + "."}
}
