package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// What happens to the registry of a soak between two rounds.

// grow publishes some versions, and yanks one.
func (s *soak) grow() {
	var text strings.Builder
	for range s.rnd.IntN(20) {
		fmt.Fprintf(&text, "soaked-%d 1.0.%d\n", s.next%40, s.next/40)
		s.next++
	}
	s.reg.Add(simreg.MustParse(text.String())...)
	s.reg.Yank(s.any(s.reg.IDs()), s.rnd.IntN(2) == 0)
}

func (s *soak) any(ids []crate.ID) crate.ID { return ids[s.rnd.IntN(len(ids))] }

// shrink removes a version, or a crate.
func (s *soak) shrink() {
	id, whole := s.any(s.reg.IDs()), s.rnd.IntN(2) == 0
	for _, other := range s.reg.IDs() {
		if other == id || whole && other.Name == id.Name {
			s.reg.Remove(other)
			s.unseen[other] = true
			s.sum.removed++
		}
	}
}

// comeBack publishes versions again that were removed: with the bytes that they had
// last, or had before that, or with others.
func (s *soak) comeBack() {
	s.t.Helper()
	for _, id := range s.reg.Gone() {
		if s.rnd.IntN(3) > 0 {
			continue
		}
		past := s.reg.Past(id)
		s.reg.Restore(id, past[s.rnd.IntN(len(past))])
		if s.rnd.IntN(3) == 0 {
			s.reg.ReplaceBytes(id)
			s.sum.republished++
		} else {
			s.sum.restored++
		}
		sum, err := s.reg.Checksum(id)
		must(s.t, err)
		if _, found := s.kept[crate.Key{ID: id, Checksum: sum}]; !found {
			delete(s.held, id)
			s.coming[id] = true
		}
	}
}

// complete runs the program until the mirror is complete. Versions that came back with
// other bytes before any run can have seen them away are accepted by hand. If the catalog
// was lost, old bytes that the index does not name are found in place of the new ones,
// and nothing records that they were right once.
func (s *soak) complete() {
	s.t.Helper()
	c := s.run()
	code, refused := c.code(patience), c.refused()
	for _, id := range refused {
		if !s.unseen[id] {
			s.t.Errorf("%v is refused, and its removal was seen\n%s", id, c.said())
		}
		s.ask("accept", id.Name, id.Version).want(program.ExitOK)
	}
	if s.forgot && code == program.ExitIntegrity {
		s.ask("quarantine", "-settle-all").want(program.ExitOK)
	}
	if code == program.ExitIntegrity && (s.forgot || len(refused) > 0) {
		s.run().want(program.ExitOK)
	} else {
		c.want(program.ExitOK)
	}
	clear(s.unseen)
	clear(s.coming)
}

// writeIndex publishes the changes in the index.
func (s *soak) writeIndex() {
	s.t.Helper()
	must(s.t, s.reg.WriteIndex(s.index))
	for _, id := range s.reg.Gone() {
		path := crate.IndexPath(id.Name)
		if _, err := s.reg.IndexFile(path); errors.Is(err, fs.ErrNotExist) {
			err := os.Remove(filepath.Join(s.index, filepath.FromSlash(path)))
			if !errors.Is(err, fs.ErrNotExist) {
				must(s.t, err)
			}
		}
	}
}
