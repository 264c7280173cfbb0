package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
)

// A Place is where a manifest says that a crate lies.
type Place struct{ Storage, BundlePath, BundleMember string }

// Places is what a manifest says of all crates, in the order of the index.
//
// A manifest is in the order in which crates were done. It is sorted on disk,
// not in memory: runs of a few MB are sorted and written one after the other to
// a temporary file, and merged while the index is read, which is in the same
// order. So memory is that of one run, however many records there are.
type Places struct {
	Bad   int64 // lines of the manifest that could not be used; the log names them
	file  *sortFile
	merge *merge
	next  *spot // read from merge and not yet asked for
	last  string
}

// ReadPlaces reads a manifest, of ours or of v1.1.0. Where it speaks of a crate
// several times the last record counts. A torn last line, which a power cut
// leaves, is a warning. The temporary file is scratch in fsys, which is removed
// by Close.
func ReadPlaces(ctx context.Context, r io.Reader, fsys durable.FS, scratch string, log *slog.Logger) (*Places, error) {
	return readPlaces(ctx, r, fsys, scratch, log, runBytes)
}

func readPlaces(ctx context.Context, r io.Reader, fsys durable.FS, scratch string, log *slog.Logger, runBytes int) (*Places, error) {
	file, err := newSortFile(fsys, scratch, runBytes)
	if err != nil {
		return nil, fmt.Errorf("sorting the manifest: %w", err)
	}
	p := &Places{file: file}
	err = p.read(ctx, r, log)
	if err == nil {
		p.merge, err = file.merge()
	}
	if err == nil {
		err = p.advance()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Places) read(ctx context.Context, r io.Reader, log *slog.Logger) error {
	for rec, err := range runlog.Read(r) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case errors.Is(err, jsonl.ErrTorn):
			log.Warn("the manifest ends in the middle of a line: what was recorded since is not known", "err", err)
			continue
		case errors.As(err, new(*jsonl.LineError)):
			p.bad(log, err)
			continue
		case err != nil:
			return err
		}
		id, err := idOf(&rec)
		if err != nil {
			p.bad(log, fmt.Errorf("%q: %w", rec.URL, err))
			continue
		}
		err = p.file.add(spot{Path: crate.IndexPath(id.Name), Name: id.Name, Version: id.Version,
			Place: Place{rec.Storage, rec.BundlePath, rec.BundleMember}})
		if err != nil {
			return fmt.Errorf("sorting the manifest: %w", err)
		}
	}
	return nil
}

func (p *Places) bad(log *slog.Logger, err error) {
	p.Bad++
	log.Warn("a line of the manifest cannot be used", "err", err)
}

// idOf returns what a record is about: v1.1.0 says it in the URL alone.
func idOf(rec *runlog.Record) (crate.ID, error) {
	if rec.Crate != "" {
		id := crate.ID{Name: rec.Crate, Version: rec.Version}
		return id, id.Check()
	}
	file := rec.URL[strings.LastIndexByte(rec.URL, '/')+1:]
	file, err := url.PathUnescape(file)
	if err != nil {
		return crate.ID{}, err
	}
	return crate.ParseFileName(path.Base(file))
}

// of returns the places of the crates of an index file. It is asked for files
// in the order of the index. A nil Places knows none.
func (p *Places) of(file string) (map[crate.ID]Place, error) {
	if p == nil {
		return nil, nil
	}
	if file < p.last {
		return nil, fmt.Errorf("the index has %s after %s: it is not sorted", file, p.last)
	}
	p.last = file
	var places map[crate.ID]Place
	for p.next != nil && p.next.Path <= file {
		if p.next.Path == file {
			if places == nil {
				places = map[crate.ID]Place{}
			}
			places[crate.ID{Name: p.next.Name, Version: p.next.Version}] = p.next.Place
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return places, nil
}

func (p *Places) advance() (err error) {
	if p.next, err = p.merge.next(); err != nil {
		return fmt.Errorf("reading the sorted manifest back: %w", err)
	}
	return nil
}

// Close removes the temporary file.
func (p *Places) Close() error { return p.file.close() }
