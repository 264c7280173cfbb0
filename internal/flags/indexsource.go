package flags

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/trees"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/locate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// IndexSource is where the index comes from: a git repository, or a sparse index and
// what names its crates.
type IndexSource struct {
	URL     string
	changes []string
	every   time.Duration // in what time everything is asked for

	feed  string // URL
	git   string // URL
	lists []string
}

// cratesIOFeed is what "rss" stands for.
const cratesIOFeed = "https://static.crates.io/rss/updates.xml"

// Flags are the flags.
func (s *IndexSource) Flags() []cli.Flag {
	return under(theIndex,
		&cli.StringFlag{Name: "index-url", Usage: "where the index comes from, `URL`: a git repository by https, ssh, git, http or file, or sparse+https://HOST/PATH/ (default: the one that the index was cloned from, or " + index.DefaultURL + ")", Destination: &s.URL},
		&cli.StringSliceFlag{Name: "index-changes", Usage: "with a sparse index: what names its crates, as it has no list. `SOURCE` is rss (the feed of crates.io) or the URL of such a feed; http://PEER/, a mirror that serves one; the URL of the index in git, which ends in .git or begins with git+; a database dump (.tar.gz); the folder of an index, however old; or a file with a name a line. Repeat it", Destination: &s.changes},
		&cli.DurationFlag{Name: "index-full-every", Value: sparse.DefaultFullEvery, Usage: "with a sparse index and something that names changes: ask for all files within this time, a share in each round; yanks and removals are seen by that", Destination: &s.every},
	)
}

// Sparse reports whether the index is a sparse one.
func (s *IndexSource) Sparse() bool { return sparse.IsURL(s.URL) }

// Given reports whether a flag was given.
func (s *IndexSource) Given() bool { return s.URL != "" || len(s.changes) > 0 }

// Check refuses what makes no sense.
func (s *IndexSource) Check() error {
	if !s.Sparse() {
		if len(s.changes) > 0 {
			return Usagef("-index-changes names what is in a sparse index: it needs -index-url sparse+https://HOST/PATH/")
		}
		return nil
	}
	if _, err := sparse.New(s.URL, nil); err != nil {
		return Usagef("-index-url: %w", err)
	}
	if s.every < minFullEvery {
		return Usagef("-index-full-every is %v, want %v or more", s.every, minFullEvery)
	}
	for _, c := range s.changes {
		if err := s.add(c); err != nil {
			return err
		}
	}
	return nil
}

// Locate finds the index of a mirror that -index-url names as a whole.
func (s *IndexSource) Locate(ctx context.Context) (err error) {
	s.URL, err = LocateIndex(ctx, s.URL)
	return err
}

// LocateIndex is the URL of the index that an -index-url names: below one of a whole mirror
// its index for git. Errors: that of a usage which says what to write; the context's.
func LocateIndex(ctx context.Context, given string) (string, error) {
	if !locate.IsRoot(given) {
		return given, nil
	}
	url, err := locate.Index(ctx, given)
	if errors.As(err, new(*locate.IndexError)) {
		err = Usagef("-index-url: %w", err)
	}
	return cmp.Or(url, given), err
}

// minFullEvery keeps a slip of the hand from becoming a nuisance upstream.
const minFullEvery = time.Minute

// add takes a source of changes.
func (s *IndexSource) add(source string) error {
	if url, ok := gitURL(source); ok {
		if _, err := git.TransportURL(url); err != nil {
			return Usagef("-index-changes: %w", err)
		}
		if s.git != "" {
			return Usagef("-index-changes names two git repositories, want one")
		}
		s.git = url
		return nil
	}
	if url, ok := feedURL(source); ok {
		if s.feed != "" {
			return Usagef("-index-changes names two feeds, want one")
		}
		s.feed = url
		return nil
	}
	if _, err := os.Stat(source); err != nil { // seen before anything is touched
		return Usagef("-index-changes: %w", err)
	}
	s.lists = append(s.lists, source)
	return nil
}

// gitURL is the URL of a repository, if a source is one: what is there as a folder is a list.
func gitURL(source string) (string, bool) {
	if url, ok := strings.CutPrefix(source, "git+"); ok {
		return url, true
	}
	return source, strings.HasSuffix(source, ".git") && strings.Contains(source, "://")
}

// feedURL is the URL of a feed, if a source is one or has one.
func feedURL(source string) (string, bool) {
	switch {
	case source == "rss":
		return cratesIOFeed, true
	case !strings.HasPrefix(source, "https://") && !strings.HasPrefix(source, "http://"):
		return "", false
	case strings.HasSuffix(source, "/"):
		return strings.TrimSuffix(source, "/") + feed.Path, true
	}
	return source, true
}

// Following brings an index what a sparse one has.
type Following struct {
	observer sparse.Observer
	source   *IndexSource
	open     func() (*upstream.Client, error)
}

// Follow returns what follows the sparse index. Each look has a client of its own: what
// stopped one is no reason not to look again. Of a part of the index it asks for that
// alone, and for parallel files at a time.
func (s *IndexSource) Follow(open func() (*upstream.Client, error), part *Part, parallel int, log *slog.Logger) *Following {
	return &Following{
		source: s, open: open,
		observer: sparse.Observer{Parallel: parallel, Log: log, FullEvery: s.every, Names: part.names, Deps: part.closure, Part: part.crates != "" || len(part.lockfiles) > 0},
	}
}

// Bring is for clone.Config.Carried.
func (f *Following) Bring(ctx context.Context, work *git.Porcelain, gitDir string) (err error) {
	up, err := f.open()
	if err != nil {
		return err
	}
	defer up.Close()
	o := &f.observer
	if o.Client, err = sparse.New(f.source.URL, up); err != nil {
		return err
	}
	if f.source.feed != "" {
		o.Feed = func(ctx context.Context) (feed.Feed, error) { return readFeed(ctx, up, f.source.feed) }
	}
	if f.source.git != "" {
		o.Changed = (&trees.Source{Dir: filepath.Join(gitDir, "clonecratesio-trees"), URL: f.source.git, Work: work}).Changed
	}
	o.Lists = nil
	for _, file := range f.source.lists {
		o.Lists = append(o.Lists, func(ctx context.Context, fn func(string) error) (time.Time, error) { return eachListed(ctx, file, fn) })
	}
	return o.Bring(ctx, work, gitDir)
}

func readFeed(ctx context.Context, up *upstream.Client, url string) (feed.Feed, error) {
	answer, err := up.Ask(ctx, upstream.Question{URL: url, MaxSize: feed.MaxRSS})
	if err != nil {
		return feed.Feed{}, err
	}
	defer answer.Release()
	if answer.Status != http.StatusOK {
		return feed.Feed{}, &upstream.StatusError{Status: answer.Status}
	}
	return feed.ReadRSS(bytes.NewReader(answer.Body))
}

// eachListed calls fn for the names in a list, of whatever kind it is.
func eachListed(ctx context.Context, file string, fn func(string) error) (made time.Time, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return made, err
	}
	if info.IsDir() {
		return feed.EachInIndex(ctx, file, fn)
	}
	f, err := os.Open(file)
	if err != nil {
		return made, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		made, err = feed.EachInDump(in, fn)
	} else {
		err = feed.EachInList(in, fn)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return made, err
}

// Doubt returns what is the verdict on what the last look could not find out.
func (f *Following) Doubt(allowMissing bool, log *slog.Logger) func() error {
	return func() error {
		r := f.observer.Last()
		if r == nil {
			return nil
		}
		var errs []error
		if r.Failed > 0 {
			errs = append(errs, verdict.Incompletef("incomplete: %s of the index could not be had; the first: %v; run again, that asks for them", human.Plural(r.Failed, "file"), r.Failures[0]))
		}
		switch {
		case r.Unknown == "":
		case allowMissing:
			log.Info("whether the index is complete is not known", "reason", r.Unknown)
		default:
			errs = append(errs, verdict.Incompletef("it is not known whether the index is complete: %s; -allow-missing goes on without", r.Unknown))
		}
		return errors.Join(errs...)
	}
}
