package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// note is written beside a file in quarantine, as {file}.json.
type note struct {
	Crate   string `json:"crate"`
	Version string `json:"version"`
	Reason  string `json:"reason"`
	Time    string `json:"time"`
}

const noteExt = ".json"

// Quarantine implements store.Quarantiner. The file moves by rename, so that
// not even a power cut loses it.
func (s *Store) Quarantine(id crate.ID, reason string) (string, error) {
	to, err := s.moveAside(id)
	if err == nil {
		err = errors.Join(s.annotate(to, id, reason), s.fsys.SyncDir(path.Dir(id.LoosePath())))
	}
	if err != nil {
		return "", fmt.Errorf("moving %s to quarantine: %w", id.LoosePath(), err)
	}
	return to, nil
}

// moveAside gives the file a name in quarantine that is free. One crate is
// damaged at most a few times a second.
func (s *Store) moveAside(id crate.ID) (to string, err error) {
	if err := s.makeQuarantine(); err != nil {
		return "", err
	}
	name := s.quarantineName(id, "was-"+time.Now().UTC().Format("20060102T150405Z"))
	for n := 1; n <= 100; n++ {
		to = name
		if n > 1 {
			to = fmt.Sprintf("%s-%d", name, n)
		}
		if err = s.fsys.Publish(id.LoosePath(), to); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return to, err
}

// Isolate implements store.Quarantiner.
func (s *Store) Isolate(id crate.ID, sum crate.Checksum, reason string, body store.Body) (string, error) {
	to := s.quarantineName(id, "came-"+sum.String()[:16])
	if err := s.isolate(to, id, reason, body); err != nil {
		return "", fmt.Errorf("putting what came for %s into quarantine: %w", id, err)
	}
	return to, nil
}

func (s *Store) isolate(to string, id crate.ID, reason string, body store.Body) error {
	sp, err := s.take(body, s.mode != None)
	if err != nil {
		return err
	}
	if err := s.makeQuarantine(); err != nil {
		return errors.Join(err, s.fsys.Remove(sp.name))
	}
	err = s.fsys.Publish(sp.name, to)
	if errors.Is(err, fs.ErrExist) { // kept already
		return s.fsys.Remove(sp.name)
	}
	if err != nil {
		return errors.Join(err, s.fsys.Remove(sp.name))
	}
	return s.annotate(to, id, reason)
}

// makeQuarantine makes the folder durable before anything moves there: what moved
// into a folder that a power cut takes back would be gone with it.
func (s *Store) makeQuarantine() error {
	if err := s.fsys.MkdirAll(quarantineDir); err != nil {
		return err
	}
	return s.fsys.SyncDir(".")
}

func (s *Store) quarantineName(id crate.ID, suffix string) string {
	return path.Join(quarantineDir, id.FileName()+"."+suffix)
}

func (s *Store) annotate(name string, id crate.ID, reason string) error {
	n := note{id.Name, id.Version, reason, time.Now().UTC().Format(time.RFC3339)}
	data, err := json.Marshal(n, jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return durable.WriteFile(s.fsys, name+noteExt, append(data, '\n'))
}

// Quarantined implements store.Quarantiner.
func (s *Store) Quarantined() (int, error) {
	entries, err := s.fsys.ReadDir(quarantineDir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	n := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), noteExt) {
			n++
		}
	}
	return n, err
}
