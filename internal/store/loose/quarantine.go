package loose

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Suffixes of the name of a crate file in quarantine.
const (
	foundInfix  = ".was-"    // and the time
	sentInfix   = ".came-"   // and the beginning of the checksum
	memberInfix = ".member-" // and the bundle and offset
)

// maxFileName is the limit of file systems, in bytes.
const maxFileName = 255

// Quarantine implements store.Quarantiner. The file moves by rename, so that even a power
// failure does not lose it.
func (s *Store) Quarantine(id crate.ID, at store.Placement, reason string) (string, error) {
	from := at.LoosePath(id)
	to, err := s.moveAside(id, from)
	if err == nil {
		err = errors.Join(s.annotate(to, note{Kind: store.Found, Reason: reason}, id), s.fsys.SyncDir(path.Dir(from)))
	}
	if err != nil {
		return "", fmt.Errorf("moving %s to quarantine: %w", from, err)
	}
	return to, nil
}

// moveAside gives the file a free name in quarantine. A crate is damaged at most a few
// times per second.
func (s *Store) moveAside(id crate.ID, from string) (to string, err error) {
	if err := s.makeQuarantine(); err != nil {
		return "", err
	}
	name := quarantineName(id, foundInfix+time.Now().UTC().Format("20060102T150405Z"))
	for n := 1; n <= 100; n++ {
		to = name
		if n > 1 {
			to = fmt.Sprintf("%s-%d", name, n)
		}
		if err = s.fsys.Publish(from, to); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return to, err
}

// Isolate implements store.Quarantiner. It writes the note first, because a file without
// one could not be settled.
func (s *Store) Isolate(id crate.ID, want, sum crate.Checksum, reason string, body store.Body) (string, error) {
	to := sentName(id, sum)
	err := s.makeQuarantine()
	if err == nil { // also if the bytes were stored before: they have come again
		err = s.annotate(to, note{Kind: store.Sent, Reason: reason, Want: want.String(), Got: sum.String()}, id)
	}
	if err == nil {
		err = s.isolate(to, body)
	} else if body.Spill != nil {
		err = errors.Join(err, body.Spill.Discard())
	}
	if err != nil {
		return "", fmt.Errorf("moving what upstream sent for %s to quarantine: %w", id, err)
	}
	return to, nil
}

func sentName(id crate.ID, sum crate.Checksum) string {
	return quarantineName(id, sentInfix+sum.String()[:16])
}

// Isolated implements store.Quarantiner.
func (s *Store) Isolated(id crate.ID, sum crate.Checksum) (string, error) {
	name := sentName(id, sum)
	got, err := s.hash(name)
	if err != nil {
		return "", err
	}
	n, err := s.readNote(name)
	if err == nil && (got != sum || n.Got != sum.String()) {
		err = fmt.Errorf("%s has other bytes, or a note on others: %w", name, fs.ErrNotExist)
	}
	return name, err
}

func (s *Store) isolate(to string, body store.Body) error {
	sp, err := s.take(body, to, "")
	if err != nil {
		return err
	}
	return s.batch.CommitOne(sp.Staged, func(temp, name string) error {
		err := s.fsys.Publish(temp, name)
		if errors.Is(err, fs.ErrExist) { // they were stored before
			err = s.fsys.Remove(temp)
		}
		return err
	})
}

// NoteMember implements store.Quarantiner.
func (s *Store) NoteMember(id crate.ID, at store.Placement, reason string) (string, error) {
	in, offset, size := at.Bundle, at.Offset, at.FrameSize
	if in == "" {
		in, offset, size = at.Deep.Segment, at.Deep.Pack, at.Deep.PackSize
	}
	to := memberName(id, in, offset)
	err := s.makeQuarantine()
	if err == nil {
		reason = fmt.Sprintf("at offset %d of %s, %d bytes: %s", offset, in, size, reason)
		err = s.annotate(to, note{Kind: store.Member, Reason: reason}, id)
	}
	if err != nil {
		return "", fmt.Errorf("noting in quarantine that %s in %s is damaged: %w", id, in, err)
	}
	return to + noteExt, nil
}

// makeQuarantine makes the folder durable before anything moves there: if a power failure
// undid the folder, the moved file would be lost.
func (s *Store) makeQuarantine() error {
	if err := s.fsys.MkdirAll(QuarantineDir); err != nil {
		return err
	}
	return s.fsys.SyncDir(".")
}

// memberName returns the place in the bundle or segment, or its hash if the name of the crate
// leaves no room for it.
func memberName(id crate.ID, in string, offset int64) string {
	place := fmt.Sprintf("%s-%d", in, offset)
	name := quarantineName(id, memberInfix+place)
	if len(path.Base(name)+noteExt) <= maxFileName {
		return name
	}
	sum := sha256.Sum256([]byte(place))
	return quarantineName(id, memberInfix+hex.EncodeToString(sum[:8]))
}

func quarantineName(id crate.ID, suffix string) string {
	return path.Join(QuarantineDir, id.FileName()+suffix)
}
