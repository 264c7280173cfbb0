package receive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// maxFolders bounds the folders that are searched on media.
const maxFolders = 10_000

// found is a transfer on the media.
type found struct {
	manifest *transfer.Manifest
	folders  []string // of its volumes
}

// transfers are the acceptable transfers on the media.
type transfers []*found

// A NoTransferError says that the media have no transfer.
type NoTransferError struct {
	From []string
	Err  error // why the first of From cannot be read; nil: all can
}

func (e *NoTransferError) Error() string {
	from := strings.Join(e.From, ", ")
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return fmt.Sprintf("nothing was changed: there is no folder %s: mount the medium, or name the folder that has a transfer in it", from)
	case e.Err != nil:
		return fmt.Sprintf("nothing was changed: folder %s cannot be read: %v: bring another copy of what is on the medium", from, e.Err)
	}
	return fmt.Sprintf("nothing was changed: there is no volume of a transfer in %s: name the folder that has %s in it, or volume-001 and so on", from, transfer.NoteName)
}

func (e *NoTransferError) Unwrap() error { return e.Err }

// find finds the volumes in folders, and up to two levels below them. It logs a manifest
// that cannot be accepted; if there is no other, that is the error.
func find(cfg *Config) (transfers, error) {
	s := search{cfg: cfg, by: map[string]*found{}, left: maxFolders}
	for _, dir := range cfg.From {
		if err := s.folder(dir, 2); err != nil {
			return nil, err
		}
	}
	if len(s.all) == 0 && s.refused != nil {
		return nil, s.refused
	}
	if len(s.all) == 0 && s.unreadable != nil {
		return nil, s.unreadable
	}
	if len(s.all) == 0 {
		return nil, &NoTransferError{cfg.From, nil}
	}
	slices.SortStableFunc(s.all, func(a, b *found) int { return cmp.Compare(a.manifest.End.Number, b.manifest.End.Number) })
	return s.all, nil
}

type search struct {
	cfg     *Config
	by      map[string]*found // by text of the manifest
	all     transfers
	refused error
	left    int

	unreadable error // why the first such folder cannot be read
}

// folder searches a folder, and those in it.
func (s *search) folder(dir string, deeper int) error {
	if s.left--; s.left < 0 {
		return fmt.Errorf("there are more than %d folders in %s: name those of the transfer", maxFolders, strings.Join(s.cfg.From, ", "))
	}
	f, err := s.cfg.open(dir)
	if err != nil {
		s.unread(dir, err)
		return nil
	}
	defer f.Close()
	note, err := readNote(f)
	switch {
	case err == nil:
		s.note(dir, note)
	case !errors.Is(err, fs.ErrNotExist):
		s.refuse(dir, err)
	}
	entries, err := f.ReadDir(".")
	if err != nil {
		s.unread(dir, err)
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		if deeper > 0 && e.IsDir() && (strings.HasPrefix(name, "transfer-") || strings.HasPrefix(name, "volume-")) {
			if err := s.folder(filepath.Join(dir, name), deeper-1); err != nil {
				return err
			}
		}
	}
	return nil
}

func readNote(f durable.Reader) ([]byte, error) {
	file, err := f.Open(transfer.NoteName)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, signing.MaxNote+1))
}

func (s *search) note(dir string, note []byte) {
	m, err := transfer.Open(note, s.cfg.Keys...)
	if err != nil {
		s.refuse(dir, err)
		return
	}
	text := m.Text()
	if s.by[text] == nil {
		s.by[text] = &found{manifest: m}
		s.all = append(s.all, s.by[text])
	}
	s.by[text].folders = append(s.by[text].folders, dir)
}

// unread skips a folder that cannot be read: another one may have the same files.
func (s *search) unread(dir string, err error) {
	s.cfg.Log.Warn("a folder is passed over, which cannot be read", "dir", dir, "err", err)
	if s.unreadable == nil {
		s.unreadable = &NoTransferError{[]string{dir}, err}
	}
}

// refuse skips a volume.
func (s *search) refuse(dir string, err error) {
	err = fmt.Errorf("volume %s is not taken: %w", dir, err)
	s.cfg.Log.Warn("a volume is passed over", "err", err)
	if s.refused == nil || errors.As(err, new(*signing.UnknownSignersError)) {
		s.refused = err
	}
}

// A BaseError says that a transfer continues from a point that is not here.
type BaseError struct {
	At       transfer.Point // where this mirror is; zero: no imports yet
	Transfer *transfer.Manifest
}

func (e *BaseError) Error() string {
	if e.At.IsZero() {
		return fmt.Sprintf("transfer %s continues %s, and nothing was taken here yet; ask the sending side for: clonecratesio export -full -to DIR (or, if this is a mirror already, write down what it has: clonecratesio import -state FILE, and let them have that)",
			e.Transfer.End.ID(), e.Transfer.Base.ID())
	}
	if e.At.Line != e.Transfer.Base.Line {
		return fmt.Sprintf("transfer %s continues %s of another mirror than the one that this has %s from; ask the sending side for: clonecratesio export -full -to DIR",
			e.Transfer.End.ID(), e.Transfer.Base.ID(), e.At.ID())
	}
	return fmt.Sprintf("transfer %s continues %s, and here is %s: what is between was not taken; ask the sending side for: clonecratesio export -since %s -to DIR",
		e.Transfer.End.ID(), e.Transfer.Base.ID(), e.At.ID(), e.At.ID())
}

// An OlderError says that a transfer is older than this mirror. It has another line than
// the mirror, so their points cannot be compared.
type OlderError struct {
	At       transfer.Point // where this mirror is
	Transfer *transfer.Manifest
}

func (e *OlderError) Error() string {
	const day = "2006-01-02 15:04"
	return fmt.Sprintf("transfer %s is not taken: its index is of %s, and the one here of %s is later; bring a later transfer, or take it with -accept-shrink",
		e.Transfer.End.ID(), e.Transfer.End.Time.Format(day), e.At.Time.Format(day))
}

// next returns the next transfer at a point, or nil if all were imported. An old transfer
// of another line, which leads back, is skipped unless the user wants to go back, so that
// an old medium cannot restore its state. Errors: *BaseError, *OlderError.
func (all transfers) next(at transfer.Point, back bool) (*found, error) {
	var base *BaseError
	var older *OlderError
	taken := false
	for _, t := range all {
		m := t.manifest
		switch {
		case m.End.Line == at.Line && m.End.Number <= at.Number:
			taken = true
		case !at.Covers(m.Base):
			base = &BaseError{at, m}
		case m.End.Line != at.Line && m.End.Time.Before(at.Time) && !back:
			older = &OlderError{at, m}
		default:
			return t, nil
		}
	}
	switch {
	case base != nil:
		return nil, base
	case older != nil && !taken:
		return nil, older
	}
	return nil, nil
}
