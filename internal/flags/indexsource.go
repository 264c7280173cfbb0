package flags

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/locate"
)

// IndexSource holds the flags that say where the index comes from: a git repository, or a
// sparse index and the sources of its crates' names.
type IndexSource struct {
	URL     string
	changes []string
	every   time.Duration // time in which every index file is requested once

	feed  string // URL
	peer  bool   // the feed is that of a mirror of ours
	git   string // URL
	lists []string
}

// cratesIOFeed is the URL for which "rss" stands.
const cratesIOFeed = "https://static.crates.io/rss/updates.xml"

// Flags returns the flags.
func (s *IndexSource) Flags() []cli.Flag {
	return under(theIndex,
		&cli.StringFlag{Name: "index-url", Usage: "update the index from `URL`: a git repository by https, ssh, git, http or file, or sparse+https://HOST/PATH/ (default: where it was cloned from, or " + index.DefaultURL + ")", Destination: &s.URL},
		&cli.StringSliceFlag{Name: "index-changes", Usage: "with a sparse index, which has no list of its crates: learn their names from `SOURCE`: rss (the feed of crates.io) or the URL of such a feed; http://PEER/, a mirror that serves one; the URL of the index in git, which ends in .git or begins with git+; a database dump (.tar.gz); the folder of an index, however old; or a file with a name a line. May be repeated", Destination: &s.changes},
		&cli.DurationFlag{Name: "index-full-every", Value: sparse.DefaultFullEvery, Usage: "with a sparse index and -index-changes: request every index file once in this time, some in each round, to see yanks and removals", Destination: &s.every},
	)
}

// Sparse reports whether the index is a sparse one.
func (s *IndexSource) Sparse() bool { return sparse.IsURL(s.URL) }

// Given reports whether a flag was given.
func (s *IndexSource) Given() bool { return s.URL != "" || len(s.changes) > 0 }

// Check rejects invalid values and combinations.
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

// Locate replaces the URL by that of the index if -index-url is the root of a mirror.
func (s *IndexSource) Locate(ctx context.Context) (err error) {
	s.URL, err = LocateIndex(ctx, s.URL)
	return err
}

// LocateIndex returns the URL of the index that -index-url names: if given is the root of a
// mirror, its git index, otherwise given itself. Errors: *UsageError, which says what to
// write instead, and those of ctx.
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

// minFullEvery is the minimum of -index-full-every: a mistyped unit must not flood upstream.
const minFullEvery = time.Minute

// add parses a value of -index-changes.
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
	if url, ok := FeedURL(source); ok {
		if s.feed != "" {
			return Usagef("-index-changes names two feeds, want one")
		}
		s.feed, s.peer = url, strings.HasSuffix(source, "/")
		return nil
	}
	if _, err := os.Stat(source); err != nil { // report it before anything is changed
		return Usagef("-index-changes: %w", err)
	}
	s.lists = append(s.lists, source)
	return nil
}

// gitURL returns the URL of the git repository that a source names, and whether it names
// one. A path that ends in .git is not one, but the folder of an index.
func gitURL(source string) (string, bool) {
	if url, ok := strings.CutPrefix(source, "git+"); ok {
		return url, true
	}
	return source, strings.HasSuffix(source, ".git") && strings.Contains(source, "://")
}

// FeedURL returns the URL of the feed that a source names, and whether it names one. A URL
// that ends in a slash is a mirror, which has a feed.
func FeedURL(source string) (string, bool) {
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
