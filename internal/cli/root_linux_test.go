package cli

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The tests called TestRoot run the real program on file systems of their own:
// full ones, broken ones, ones whose power is cut. They need root on Linux
// and -root, and skip themselves elsewhere; "make test-root" runs them. Each is named after
// the faults it stands for.

// asRoot keeps a plain "go test ./..." by root from mounting anything.
var asRoot = flag.Bool("root", false, "run the tests that mount file systems, as root")

// needRoot skips the test where it cannot be done.
func needRoot(t *testing.T, tools ...string) {
	t.Helper()
	if !*asRoot || os.Geteuid() != 0 {
		t.Skip("needs root and -root, to mount file systems and to set limits: make test-root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
}

// tool runs a command of the system.
func tool(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(name+" "+strings.Join(args, " ")+": "+string(out)))
	}
	return nil
}

// newMirroredOn is newMirrored with everything on dir but the index.
func newMirroredOn(t *testing.T, reg *simreg.Registry, dir string) *mirrored {
	t.Helper()
	needRoot(t)
	server, err := reg.Start(simreg.Options{})
	must(t, err)
	return newMirroredFrom(t, reg, server, dir)
}

// newMirroredFrom is newMirroredOn with a server that was started.
func newMirroredFrom(t *testing.T, reg *simreg.Registry, server *simreg.Server, dir string) *mirrored {
	t.Helper()
	t.Cleanup(server.Close)
	index := t.TempDir()
	must(t, reg.WriteIndex(index))
	m := &mirrored{t: t, reg: reg, server: server, dir: dir}
	// A disk of 1 MiB has better things to hold than the index.
	must(t, os.Symlink(index, filepath.Join(dir, "index")))
	must(t, durable.CheckFolderSync(dir))
	return m
}

// slow makes the server answer late, so that a run lasts.
func (m *mirrored) slow(delay time.Duration) {
	m.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: delay, Times: -1})
}

// start starts the program; wrapper, a line of sh, runs it as "$@".
func (m *mirrored) start(wrapper string, args ...string) *child {
	m.t.Helper()
	cmd, out := m.command()
	cmd.Args = append(cmd.Args, args...)
	if wrapper != "" {
		sh := exec.Command("sh", append([]string{"-c", wrapper, "sh"}, cmd.Args...)...)
		sh.Env, sh.Stdout, sh.Stderr = cmd.Env, out, out
		cmd = sh
	}
	return begin(m.t, cmd, out)
}

// want runs the program to its end, which must be of the given exit code and
// say all of texts.
func (m *mirrored) want(code int, wrapper string, args []string, texts ...string) {
	m.t.Helper()
	c := m.start(wrapper, args...)
	c.want(code, texts...)
}

// sound fails the test if anything under a final name is not the crate.
func (m *mirrored) sound() {
	m.t.Helper()
	must(m.t, m.check(false))
}

// acknowledged returns the versions that the manifest calls held.
func (m *mirrored) acknowledged() []crate.ID {
	m.t.Helper()
	var ids []crate.ID
	for _, rec := range m.records() {
		if rec.OK {
			ids = append(ids, crate.ID{Name: rec.Crate, Version: rec.Version})
		}
	}
	return ids
}

func (m *mirrored) path(id crate.ID) string {
	return filepath.Join(m.dir, "out", filepath.FromSlash(id.LoosePath()))
}

// holds is oracle O3: what was acknowledged exists. sound checks that its bytes are right.
func (m *mirrored) holds(who string, ids []crate.ID) {
	m.t.Helper()
	for _, id := range ids {
		if info, err := os.Stat(m.path(id)); err != nil || info.Size() == 0 {
			m.t.Errorf("%s says that %v is held: %v", who, id, err)
		}
	}
}

// in returns the versions whose files are below a folder of the mirror.
func (m *mirrored) in(folder string) []crate.ID {
	m.t.Helper()
	ids := slices.DeleteFunc(m.reg.IDs(), func(id crate.ID) bool {
		return !strings.HasPrefix(id.LoosePath(), folder+"/")
	})
	if len(ids) == 0 {
		m.t.Fatalf("no crate belongs into %s", folder)
	}
	return ids
}
