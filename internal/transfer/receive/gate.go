package receive

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// PolicyFile returns the path of a carried policy: users give it to servers with -policy,
// which read it again when another transfer brings it.
func PolicyFile(d *home.Dirs, name string) string {
	return filepath.Join(blocks.Carried(d.State()), name+".toml")
}

// checkGate checks that all blocks and policies can be parsed: half of them would show what
// the sending side hides.
func checkGate(f durable.File) error {
	g, err := readGate(f)
	if err != nil {
		return forged(err)
	}
	if _, err := blocks.Read(g.Blocks); err != nil {
		return forged(err)
	}
	for _, p := range g.Policies {
		if _, err := policy.Read(strings.NewReader(p.Text), p.Name); err != nil {
			return forged(err)
		}
	}
	return nil
}

func readGate(f durable.File) (*transfer.Gate, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return transfer.ReadGate(f)
}

// takeGate hides what the sending side hides, from the next second on and before the index
// names new versions. The blocks replace those carried before, but never those made here.
func (k *taking) takeGate(s *staged) (err error) {
	f, err := s.folder.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := readGate(f)
	if err != nil {
		return err
	}
	to, err := home.CreateFolder(blocks.Carried(k.cfg.Home.Dirs.State()), k.cfg.Home.Disk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for _, p := range g.Policies {
		if err := durable.WriteFile(to, p.Name+".toml", []byte(p.Text)); err != nil {
			return err
		}
		k.res.Policies = append(k.res.Policies, PolicyFile(&k.cfg.Home.Dirs, p.Name))
	}
	return durable.WriteFile(to, blocks.Name, g.Blocks)
}
