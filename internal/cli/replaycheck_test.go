package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg/history"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// asUpstream reports what a mirror serves differently from upstream: index files and
// crates, byte for byte, and no index file of a crate that was removed. If it reports
// nothing of two mirrors, they serve the same.
func (r *replay) asUpstream() (err error) {
	url := r.serve()
	for _, name := range r.everyCrate() {
		err = errors.Join(err, r.servesIndexFile(url, crate.IndexPath(name)))
	}
	for _, id := range r.reg.IDs() {
		want, errWant := r.reg.CrateBytes(id)
		err = errors.Join(err, errWant, servesCrate(url, id, want))
	}
	return err
}

func (r *replay) servesIndexFile(url, path string) error {
	want, err := r.reg.IndexFile(path)
	wantStatus := http.StatusOK
	if errors.Is(err, fs.ErrNotExist) {
		wantStatus = http.StatusNotFound
	} else if err != nil {
		return err
	}
	status, got, err := answer(url + "/index/" + path)
	if err == nil && (status != wantStatus || want != nil && !bytes.Equal(got, want)) {
		err = fmt.Errorf("index file %s is answered with %d %s\nwant %d %s", path, status, got, wantStatus, want)
	}
	return err
}

func servesCrate(url string, id crate.ID, want []byte) error {
	status, got, err := answer(url + "/crates/" + id.URLPath())
	if err == nil && (status != http.StatusOK || !bytes.Equal(got, want)) {
		err = fmt.Errorf("%v is answered with %d and %d bytes, want 200 and %d others", id, status, len(got), len(want))
	}
	return err
}

func answer(url string) (status int, body []byte, err error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// serve starts a server until the end of the test.
func (r *replay) serve() (url string) {
	r.t.Helper()
	cfg := serveConfigOf(r.dir)
	cfg.Dirs.Crates = filepath.Join(r.dir, "out")
	return regexp.MustCompile(`sparse\+(.*)/index/`).FindStringSubmatch(startServing(r.t, cfg).lines)[1]
}

// kept reports bytes that the mirror once held and has lost. Bytes that upstream has must be
// current, others of the same version superseded, and those that upstream removed removed;
// all must be readable and unchanged.
func (r *replay) kept() (err error) {
	r.t.Helper()
	cat, err := openCatalogToRead(r.home().Catalog())
	must(r.t, err)
	defer cat.Close()
	st, closeStore := r.openStore()
	defer closeStore()
	removals, err := removalsOf(cat)
	must(r.t, err)
	for name, spans := range r.way.Spans() {
		for _, s := range spans {
			if !slices.ContainsFunc(r.seen, s.At) {
				continue
			}
			key := crate.Key{ID: s.ID, Checksum: s.Sum}
			if errHeld := errors.Join(r.keeps(cat, st, &s), r.buried(key, removals[key])); errHeld != nil {
				err = errors.Join(err, fmt.Errorf("%v %v of %s was held: %w", s.ID, s.Sum, name, errHeld))
			}
		}
	}
	return err
}

// removalsOf returns the last removal of all bytes that the index ever stopped
// naming.
func removalsOf(cat catalog.Live) (last map[crate.Key]*catalog.Removal, err error) {
	err = cat.Read(context.Background(), func(c *catalog.Catalog) error {
		last = map[crate.Key]*catalog.Removal{}
		for removal, err := range c.Removed(context.Background(), false) {
			if err != nil {
				return err
			}
			last[removal.Key] = &removal
		}
		return nil
	})
	return last, err
}

// buried reports what is wrong with the tombstone of bytes that were held.
func (r *replay) buried(key crate.Key, removal *catalog.Removal) error {
	named := func(step int) bool {
		return slices.ContainsFunc(r.way.Spans()[key.Name], func(s history.Span) bool { return s.ID == key.ID && s.Sum == key.Checksum && s.At(step) })
	}
	first := slices.IndexFunc(r.seen, named)
	wanted := slices.ContainsFunc(r.seen[first:], func(step int) bool { return !named(step) })
	_, errIndex := r.reg.IndexFile(crate.IndexPath(key.Name))
	switch now := named(r.way.Steps()); {
	case removal == nil && wanted:
		return errors.New("the index stopped naming it, and there is no tombstone")
	case removal != nil && removal.Returned.IsZero() == now:
		return fmt.Errorf("the index names it: %t, and yet its tombstone of %v says returned: %v", now, removal.Seen, removal.Returned)
	case removal != nil && errIndex != nil && removal.Scope != catalog.RemovedCrate:
		return fmt.Errorf("the whole crate was removed, and its tombstone speaks of a %s", removal.Scope)
	}
	return nil
}

func (r *replay) keeps(cat catalog.Live, st store.Reader, s *history.Span) error {
	rows, err := cat.Versions(context.Background(), s.ID.Name)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(rows, func(v catalog.Version) bool { return v.ID == s.ID && v.Checksum == s.Sum })
	if at < 0 {
		return errors.New("the catalog has nothing of it")
	}
	row := &rows[at]
	now, err := r.reg.Checksum(s.ID)
	listed, superseded := err == nil && now == s.Sum, err == nil && now != s.Sum
	if row.Listed != listed || row.SupersededAt.IsZero() == superseded {
		return fmt.Errorf("the catalog has it as listed: %t, superseded: %v", row.Listed, row.SupersededAt)
	}
	content, err := st.Open(context.Background(), row.Key(), row.Placement)
	if err != nil {
		return err
	}
	defer content.Close()
	got, err := io.ReadAll(content)
	if err == nil && !bytes.Equal(got, s.CrateBytes()) {
		err = fmt.Errorf("%d other bytes are there, %+v", len(got), row.Placement)
	}
	return err
}
