package plan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// meanCrate is the mean size of a crate file on crates.io, in bytes: more than 400 GB in
// 2.2 million files (2026). It is used while few crates are held.
const meanCrate = 190_000

// Forecast estimates what a run would download, and whether it fits. Its fields are those
// of plan -json.
type Forecast struct {
	Crates     int64   `json:"crates"`     // in the index
	Versions   int64   `json:"versions"`   // wanted versions of these
	Held       int64   `json:"held"`       // of these
	HeldBytes  int64   `json:"held_bytes"` // known
	ToCheck    int64   `json:"to_check"`   // present, but to be hashed first
	ToFetch    int64   `json:"to_fetch"`
	FetchBytes int64   `json:"fetch_bytes"` // estimated: the index names no sizes; without OldBytes
	MeanBytes  int64   `json:"mean_bytes"`  // mean size used for the estimate
	MeanIsHeld bool    `json:"mean_is_held"`
	FreeBytes  int64   `json:"free_bytes"` // -1: not known
	Fits       bool    `json:"fits"`
	ETASec     float64 `json:"eta_sec"` // 0: not known
	Rate       float64 `json:"fetched_per_sec"`
	Bad        int64   `json:"bad_entries"` // that cannot be mirrored
	// OldBytes is the size of bundles of v1.1.0. Their crates count in ToFetch, because
	// only reading the bundles would tell which they are; a run copies them instead of
	// downloading them.
	OldBytes int64 `json:"old_bytes"`

	Problems []string `json:"problems"` // with the first of these
}

// enoughHeld is the number of held crates that suffice to estimate the size of others.
const enoughHeld = 100

// Forecast estimates a run that stores crates in the folder stores, for a mirror with its
// state in the folder state.
func (t Totals) Forecast(state, stores string) (f Forecast, err error) {
	f = Forecast{
		Crates: t.Crates, Versions: t.Versions, Held: t.Held, HeldBytes: t.HeldBytes, ToCheck: t.Check,
		ToFetch: t.Fetch, MeanBytes: meanCrate, Bad: t.Bad, OldBytes: t.OldBytes,
	}
	for _, err := range t.Problems {
		f.Problems = append(f.Problems, human.Printable(err.Error()))
	}
	if t.Held >= enoughHeld {
		f.MeanBytes, f.MeanIsHeld = t.HeldBytes/t.Held, true
	}
	stored := f.ToFetch * f.MeanBytes
	f.FetchBytes = max(0, stored-f.OldBytes) // crates are compressed: a bundle is as large as its crates
	if f.FreeBytes, err = freeBytes(stores); err != nil {
		return f, err
	}
	f.Fits = f.FreeBytes < 0 || max(stored, f.OldBytes) < f.FreeBytes
	if f.Rate = lastRate(state); f.Rate > 0 {
		f.ETASec = float64(f.FetchBytes) / float64(max(1, f.MeanBytes)) / f.Rate
	}
	return f, nil
}

// freeBytes returns the free space of the disk where a folder is or will be made; -1:
// unknown.
func freeBytes(dir string) (int64, error) {
	for {
		fsys, err := durable.Open(dir)
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent
			continue
		}
		if err != nil {
			return 0, err
		}
		defer fsys.Close()
		bytes, _, err := fsys.Free()
		if errors.Is(err, errors.ErrUnsupported) {
			return -1, nil
		}
		return bytes, err
	}
}

// lastRate returns the rate of the last measured run, crates per second; 0: none.
func lastRate(dir string) float64 {
	state, err := durable.Open(dir)
	if err != nil {
		return 0
	}
	defer state.Close()
	s, err := runstate.Read(state)
	if err != nil {
		return 0
	}
	return s.FetchRate
}

// Print writes the forecast for a person; stores is the folder of the forecast.
func (f *Forecast) Print(w io.Writer, stores string) {
	if f.ToFetch == 0 {
		fmt.Fprintf(w, "\nnothing to download\n")
		return
	}
	why := "the mean on crates.io"
	if f.MeanIsHeld {
		why = "the mean of what is held"
	}
	fmt.Fprintf(w, "\nto fetch: about %s, estimated with %s a version, %s\n", human.Size(f.FetchBytes), human.Size(f.MeanBytes), why)
	if f.OldBytes > 0 {
		fmt.Fprintf(w, "not to fetch: %s in bundles of v1.1.0, which a run takes over first\n", human.Size(f.OldBytes))
	}
	switch {
	case f.FreeBytes < 0:
		fmt.Fprintf(w, "free in %s: not known\n", stores)
	case f.Fits:
		fmt.Fprintf(w, "free in %s: %s, so it fits\n", stores, human.Size(f.FreeBytes))
	default:
		fmt.Fprintf(w, "free in %s: %s, so it does not fit\n", stores, human.Size(f.FreeBytes))
	}
	switch {
	case f.FetchBytes == 0:
	case f.ETASec > 0:
		fmt.Fprintf(w, "time: about %s, at %s versions a second as the last time\n",
			time.Duration(f.ETASec*float64(time.Second)).Round(time.Second), human.Count(int64(f.Rate)))
	default:
		fmt.Fprintf(w, "time: not known until a few hundred versions have been downloaded\n")
	}
}

// Print writes what a run would do.
func (p Totals) Print(w io.Writer) {
	row := console.Rows(w)
	row(p.Crates, "crates")
	row(p.Unchanged, "of these unchanged since they were mirrored")
	row(p.Versions, "versions wanted")
	row(p.Held, "of these held and verified, "+human.Size(p.HeldBytes))
	row(p.Check, "there, but to be hashed first")
	row(p.ToBundle, "of these to be put into bundles")
	from := ""
	if p.OldBundles > 0 {
		from = ", or taken over from bundles of v1.1.0"
	}
	row(p.Fetch, "to be fetched"+from)
	row(p.Conflicts, "held, but the index names another checksum now: clonecratesio accept NAME VERSION takes it")
	row(p.Republished, "published again with other bytes, which become the version")
	row(p.Bad, "entries that cannot be mirrored")
	row(p.OldBundles, "bundles of v1.1.0 there, whose crates a run takes over instead of fetching them: "+human.Size(p.OldBytes)+" more on the disk, until clonecratesio prune -old-bundles removes the old ones")
	row(p.Yanked, "left out because they are yanked (-include-yanked takes them)")
	console.Problems{Heading: "cannot be mirrored:", First: p.Problems, All: p.Bad}.Print(w)
}
