package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extsort"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
)

// A Place is where a crate is stored, according to a manifest.
type Place struct{ Storage, BundlePath, BundleMember string }

// A spot is the place of a crate while it is sorted.
type spot struct {
	Path, Name, Version string
	Place               Place
}

func (a *spot) compare(b *spot) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

// bytes returns the memory that a spot takes.
func (a *spot) bytes() int {
	const besideTexts = 6 * 16
	return besideTexts + len(a.Path) + len(a.Name) + len(a.Version) + len(a.Place.Storage) + len(a.Place.BundlePath) + len(a.Place.BundleMember)
}

// Places are the places of all crates according to a manifest, in the order of the index.
//
// A manifest is in the order in which crates were finished. It is sorted on disk, not in
// memory (package extsort), and read back in parallel with the index, which is in the same
// order.
type Places struct {
	Bad  int64 // unusable lines of the manifest; the log names them
	file *extsort.Sorter[spot]
	pull func() (spot, error, bool)
	stop func()
	next *spot // read, but not asked for yet
	last string
}

// ReadPlaces reads a manifest, ours or v1.1.0's. If it names a crate several times, the
// last record counts. A torn last line, which a power failure leaves, is only a warning.
// The temporary file is scratch in fsys; Close removes it.
func ReadPlaces(ctx context.Context, r io.Reader, fsys durable.FS, scratch string, log *slog.Logger) (*Places, error) {
	return readPlaces(ctx, r, fsys, scratch, log, extsort.RunBytes)
}

func readPlaces(ctx context.Context, r io.Reader, fsys durable.FS, scratch string, log *slog.Logger, runBytes int) (*Places, error) {
	file, err := extsort.New(fsys, scratch, runBytes, (*spot).compare)
	if err != nil {
		return nil, fmt.Errorf("sorting the manifest: %w", err)
	}
	p := &Places{file: file, stop: func() {}}
	err = p.read(ctx, r, log)
	if err == nil {
		p.pull, p.stop = iter.Pull2(file.Sorted())
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
		id, err := rec.ID()
		if err != nil {
			p.bad(log, fmt.Errorf("%q: %w", rec.URL, err))
			continue
		}
		at := spot{Path: crate.IndexPath(id.Name), Name: id.Name, Version: id.Version,
			Place: Place{rec.Storage, rec.BundlePath, rec.BundleMember}}
		if err := p.file.Add(at, at.bytes()); err != nil {
			return fmt.Errorf("sorting the manifest: %w", err)
		}
	}
	return nil
}

func (p *Places) bad(log *slog.Logger, err error) {
	p.Bad++
	log.Warn("a line of the manifest is unusable", "err", err)
}

// of returns the places of the crates of an index file. Calls must be in the order of the
// index. A nil Places has none.
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

func (p *Places) advance() error {
	at, err, more := p.pull()
	if p.next = &at; !more {
		p.next = nil
	}
	if err != nil {
		return fmt.Errorf("sorting the manifest: %w", err)
	}
	return nil
}

// Close removes the temporary file.
func (p *Places) Close() error {
	p.stop()
	return p.file.Close()
}
