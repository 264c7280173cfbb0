package flags

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/closure"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// Part has the flags that select a part of the index. Without any of them, all of it is
// selected.
type Part struct {
	crates    string
	lockfiles []string
	sources   []string // accepted registries of packages in lock files
	closure   bool
	features  string
	latest    string

	AllowEmpty bool

	newest int // parsed latest, 0 = all; Check sets it
}

// Flags returns the flags.
func (cfg *Part) Flags() []cli.Flag {
	return under(Choice,
		&cli.StringFlag{Name: "crates", Usage: "mirror only the crates named in `FILE`, one a line: NAME, or NAME@REQUIREMENT as for cargo add; # begins a comment", Destination: &cfg.crates, TakesFile: true},
		&cli.StringSliceFlag{Name: "lockfile", Usage: "mirror only the packages in the Cargo.lock `FILE`, including yanked ones; may be repeated, and combined with -crates", Destination: &cfg.lockfiles, TakesFile: true},
		&cli.StringSliceFlag{Name: "lockfile-source", Usage: "also take packages of lock files whose source is the registry `URL`; the index must have them, as it has those of crates.io. Without this flag they are left out", Destination: &cfg.sources},
		&cli.BoolFlag{Name: "allow-empty", Usage: "accept a selection, a list or a file of checksums that is empty", Destination: &cfg.AllowEmpty},
		&cli.BoolFlag{Name: "closure", Usage: "with -crates and -lockfile: also mirror all direct and indirect dependencies, so that cargo can resolve them without a lock file", Destination: &cfg.closure},
		&cli.StringFlag{Name: "features", Value: "all", Usage: "`all|default`: with -closure, the features of the named crates", Destination: &cfg.features},
		&cli.StringFlag{Name: "latest", Usage: "`N|all`: mirror only the newest N versions that match; without -crates and -lockfile, of every crate. Default: 1 with -closure, otherwise all", Destination: &cfg.latest},
	)
}

// Check rejects invalid values and missing files.
func (cfg *Part) Check() error {
	named := cfg.crates != "" || len(cfg.lockfiles) > 0
	switch {
	case cfg.closure && !named:
		return Usagef("-closure needs -crates or -lockfile: it adds to what they name")
	case len(cfg.sources) > 0 && len(cfg.lockfiles) == 0:
		return Usagef("-lockfile-source says what a source in a -lockfile is: give that as well")
	case cfg.features != "all" && cfg.features != "default":
		return Usagef("-features %q is neither all nor default", cfg.features)
	case cfg.latest == "" && cfg.closure:
		cfg.newest = 1
	case cfg.latest == "" || cfg.latest == "all":
		cfg.newest = 0
	default:
		n, err := strconv.Atoi(cfg.latest)
		if err != nil || n < 1 {
			return Usagef("-latest %q is neither all nor a number from 1 on", cfg.latest)
		}
		cfg.newest = n
	}
	files := slices.Clone(cfg.lockfiles)
	if cfg.crates != "" {
		files = append(files, cfg.crates)
	}
	for _, name := range files {
		if _, err := os.Stat(name); err != nil { // report it before the mirror is changed
			return Usagef("-crates or -lockfile: %w", err)
		}
	}
	return nil
}

// Chooses reports whether a part of the index is selected.
func (cfg *Part) Chooses() bool {
	return cfg.crates != "" || len(cfg.lockfiles) > 0 || cfg.newest > 0
}

// Source returns a source of the selected part of the index, with yanked versions if yanked
// is true. Yanked versions in a lock file are always included.
func (cfg *Part) Source(ctx context.Context, ix *index.Index, sums plan.Checksums, yanked bool, show *console.Display, log *slog.Logger) (plan.Source, error) {
	if !cfg.Chooses() {
		return plan.FromIndex(ix, sums), nil
	}
	choice, err := cfg.Choice(ctx, ix, yanked, show, log)
	if err != nil {
		return nil, err
	}
	return plan.FromChoice(ix, sums, choice, choice.Bad), nil
}

// Chosen is the selected part of an index.
type Chosen struct {
	plan.Choice
	Versions int64           // number of versions; 0 if unknown
	Bad      []plan.BadEntry // requested entries that the index does not have
}

// Choice computes the selected part of the index. Call it only if Chooses returns true.
func (cfg *Part) Choice(ctx context.Context, ix *index.Index, yanked bool, show *console.Display, log *slog.Logger) (*Chosen, error) {
	if cfg.crates == "" && len(cfg.lockfiles) == 0 {
		return &Chosen{Choice: closure.Latest{N: cfg.newest, Yanked: yanked}}, nil
	}
	wishes, problems, err := cfg.wishes(ctx, ix, log)
	if err != nil {
		return nil, err
	}
	opt := closure.Options{
		Follow: cfg.closure, Latest: cfg.newest, Yanked: yanked, DefaultFeatures: cfg.features == "default",
		Progress: new(closure.Progress),
	}
	start := time.Now()
	stop := show.Follow(choosing(opt.Progress), log)
	set, err := closure.Compute(ctx, ix, wishes, opt)
	stop()
	if err != nil {
		return nil, err
	}
	log.Info("chosen", "crates", set.Crates, "versions", set.Versions, "roots", len(wishes.Roots), "locked", len(wishes.Pins),
		"took", time.Since(start).Round(time.Millisecond))
	warnUnmet(log, set.Unmet)
	return &Chosen{set, int64(set.Versions), badEntries(append(problems, set.Problems...))}, nil
}

// wishes reads the files. A file that selects nothing is probably a mistake: without
// -allow-empty it is a *UsageError.
func (cfg *Part) wishes(ctx context.Context, ix *index.Index, log *slog.Logger) (w closure.Wishes, problems []closure.Problem, err error) {
	if cfg.crates != "" {
		err := ReadText(cfg.crates, func(r io.Reader) (err error) {
			w.Roots, problems, err = closure.ReadNames(r, cfg.crates)
			return err
		})
		if err != nil {
			return w, nil, err
		}
		if len(w.Roots)+len(problems) == 0 && !cfg.AllowEmpty {
			return w, nil, Emptyf("-crates %s names no crate", cfg.crates)
		}
	}
	for _, name := range cfg.lockfiles {
		lock, err := cfg.readLock(ctx, name, ix, log)
		if err != nil {
			return w, nil, err
		}
		w.Pins = append(w.Pins, lock.Pins...)
		problems = append(problems, lock.Problems...)
		if cfg.closure {
			w.Roots = append(w.Roots, lock.Direct()...)
		}
	}
	if len(w.Roots)+len(w.Pins)+len(problems) == 0 && !cfg.AllowEmpty {
		return w, nil, Emptyf("-lockfile %s has no package of a registry", strings.Join(cfg.lockfiles, ", "))
	}
	return w, problems, nil
}

// names returns the names of the crates in the files, whether or not an index has them.
func (cfg *Part) names(context.Context) (names []string, err error) {
	if cfg.crates != "" {
		err = ReadText(cfg.crates, func(r io.Reader) error {
			roots, _, err := closure.ReadNames(r, cfg.crates) // lines that cannot be parsed are reported later
			for _, root := range roots {
				names = append(names, root.Name)
			}
			return err
		})
	}
	for _, name := range cfg.lockfiles {
		if err != nil {
			break
		}
		err = ReadText(name, func(r io.Reader) error {
			lock, err := closure.ReadLock(r, name, cfg.sources...)
			if err == nil {
				for _, pin := range lock.Pins {
					names = append(names, pin.Name)
				}
			}
			return err
		})
	}
	return names, err
}

// readLock reads a lock file and logs which of its packages are left out.
func (cfg *Part) readLock(ctx context.Context, name string, ix *index.Index, log *slog.Logger) (lock *closure.Lock, err error) {
	err = ReadText(name, func(r io.Reader) (err error) {
		lock, err = closure.ReadLock(r, name, cfg.sources...)
		return err
	})
	if errors.Is(err, closure.ErrNoLock) {
		return nil, &UsageError{Err: fmt.Errorf("-lockfile: %w", err)}
	}
	if err == nil {
		err = lock.Compare(ctx, ix)
	}
	if err != nil {
		return nil, err
	}
	log.Info("lock file", "path", name, "packages", lock.Packages, "taken", len(lock.Pins))
	return lock, cfg.leaveOut(lock, name, log)
}

// leaveOut logs the registries whose packages are left out, and rejects a lock file without
// other packages.
func (cfg *Part) leaveOut(lock *closure.Lock, name string, log *slog.Logger) error {
	foreign := slices.DeleteFunc(lock.LeftOut(), func(s closure.Source) bool { return !s.Registry() })
	more := len(foreign) - maxUnmet
	foreign = foreign[:min(len(foreign), maxUnmet)]
	if len(foreign) > 0 && len(lock.Pins)+len(lock.Problems) == 0 && !cfg.AllowEmpty {
		var list []string
		for _, s := range foreign {
			list = append(list, leftOut(s))
		}
		return Emptyf("-lockfile %s has packages of other registries alone: %s", name, strings.Join(list, ", "))
	}
	for _, s := range foreign {
		log.Warn("packages of a lock file are left out, because they are of another registry", "path", name, "packages", leftOut(s))
	}
	if more > 0 {
		log.Warn("packages of further registries are left out", "path", name, "registries", more)
	}
	return nil
}

// leftOut describes the packages of a source that are left out, and the flag to include them.
func leftOut(s closure.Source) string {
	text := fmt.Sprintf("%s of %s", human.Count(int64(s.Packages)), human.Printable(s.URL))
	if s.Same == 0 {
		return text + ", none of them in the index with the same checksum"
	}
	return fmt.Sprintf("%s, %s of them in the index with the same checksum (-lockfile-source %s takes them)", text, human.Count(int64(s.Same)), shellQuote(human.Printable(s.URL)))
}

func badEntries(problems []closure.Problem) (bad []plan.BadEntry) {
	for _, p := range problems {
		bad = append(bad, plan.BadEntry{ID: p.ID, Err: p.Err, Violated: p.Violated, Unnamed: !p.Violated})
	}
	return bad
}

// maxUnmet is the maximum number of warnings of one kind.
const maxUnmet = 20

// warnUnmet logs dependencies that no version in the index satisfies.
func warnUnmet(log *slog.Logger, unmet []error) {
	for _, err := range unmet[:min(len(unmet), maxUnmet)] {
		log.Warn("a dependency that cargo cannot resolve: nothing in the index satisfies it", "err", err)
	}
	if more := len(unmet) - maxUnmet; more > 0 {
		log.Warn("further dependencies that cargo cannot resolve", "count", more)
	}
}

// choosing returns a function that returns the progress of a closure for the display.
func choosing(p *closure.Progress) func() console.State {
	return func() console.State {
		crates, versions := p.Crates.Load(), p.Versions.Load()
		return console.State{
			Line:  fmt.Sprintf(" choosing: %s crates read, %s versions taken", human.Count(crates), human.Count(versions)),
			Attrs: []any{"phase", "choosing", "crates", crates, "versions", versions},
		}
	}
}
