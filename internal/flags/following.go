package flags

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/trees"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// A Following updates the mirror's index from a sparse index, round by round.
type Following struct {
	observer sparse.Observer
	source   *IndexSource
	open     func() (*upstream.Client, error)
	tag      string // ETag of the feed when it was last read
}

// Follow returns a Following of the sparse index, which requests up to parallel files at a
// time, and only those of part. Each round opens a new client, because a client that has
// stopped after errors would fail in all later rounds.
func (s *IndexSource) Follow(open func() (*upstream.Client, error), part *Part, parallel int, log *slog.Logger) *Following {
	return &Following{
		source: s, open: open,
		observer: sparse.Observer{Parallel: parallel, Log: log, FullEvery: s.every, Names: part.names, Deps: part.closure, Part: part.crates != "" || len(part.lockfiles) > 0},
	}
}

// Bring updates the index repository in gitDir. It is a clone.Config.Carried.
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
		o.Feed = func(ctx context.Context) (feed.Feed, error) { return f.readFeed(ctx, up) }
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

func (f *Following) readFeed(ctx context.Context, up *upstream.Client) (feed.Feed, error) {
	answer, err := up.Ask(ctx, upstream.Question{URL: f.source.feed, MaxSize: feed.MaxRSS})
	if err != nil {
		return feed.Feed{}, err
	}
	defer answer.Release()
	if answer.Status != http.StatusOK {
		return feed.Feed{}, &upstream.StatusError{Status: answer.Status}
	}
	f.tag = answer.Header.Get("ETag")
	return feed.ReadRSS(bytes.NewReader(answer.Body))
}

// peerEvery is how often to ask a peer, between rounds, whether its feed has changed. The
// request is conditional and costs the peer almost nothing.
const peerEvery = 5 * time.Second

// Early returns a function that waits until the feed of the peer changes, or ctx ends, so
// that a round can start early; every is the time between rounds. Without a peer it returns
// nil: other feeds are read only once in each round.
func (f *Following) Early(every time.Duration) func(ctx context.Context) {
	if !f.source.peer {
		return nil
	}
	return func(ctx context.Context) {
		up, err := f.open()
		if err != nil {
			<-ctx.Done() // the next round reports it
			return
		}
		defer up.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(peerEvery, every/2)):
			}
			if f.isAnother(ctx, up) {
				return
			}
		}
	}
}

// isAnother reports whether the feed has changed since it was last read.
func (f *Following) isAnother(ctx context.Context, up *upstream.Client) bool {
	if f.tag == "" {
		return false
	}
	answer, err := up.Ask(ctx, upstream.Question{URL: f.source.feed, MaxSize: feed.MaxRSS, Header: http.Header{"If-None-Match": {f.tag}}})
	if err != nil {
		return false
	}
	defer answer.Release()
	return answer.Status == http.StatusOK && answer.Header.Get("ETag") != f.tag
}

// eachListed calls fn with each name in file: the folder of an index, a database dump, or a
// list of lines. It returns the time at which a dump was made.
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

// Doubt returns a function that returns a verdict if the last round could not find out
// whether the index is complete.
func (f *Following) Doubt(allowMissing bool, log *slog.Logger) func() error {
	return func() error {
		r := f.observer.Last()
		if r == nil {
			return nil
		}
		var errs []error
		if r.Failed > 0 {
			errs = append(errs, verdict.Incompletef("incomplete: %s of the index could not be downloaded; the first: %v; run again to request them", human.Plural(r.Failed, "file"), r.Failures[0]))
		}
		switch {
		case r.Unknown == "":
		case allowMissing:
			log.Info("whether the index is complete is not known", "reason", r.Unknown)
		default:
			errs = append(errs, verdict.Incompletef("it is not known whether the index is complete: %s; -allow-missing accepts that", r.Unknown))
		}
		return errors.Join(errs...)
	}
}
