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

// Following brings an index what a sparse one has.
type Following struct {
	observer sparse.Observer
	source   *IndexSource
	open     func() (*upstream.Client, error)
	tag      string // of the feed that was read last
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

// peerEvery is how often a peer is asked whether its feed is another one, which costs it
// next to nothing, while the next round is yet to come.
const peerEvery = 5 * time.Second

// Early returns what waits until the feed of a peer is another one; nil if there is no
// peer: feeds of others are read once a round. A round comes every so often.
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

// isAnother reports whether the feed is another than the one that was read.
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
