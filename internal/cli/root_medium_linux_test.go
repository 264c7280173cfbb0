package cli

import (
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// T18: the medium is a stick with FAT32, as they are sold: no links, no rights, names without
// case, times of two seconds. Volumes are written to it, and taken from it while it can only
// be read.
func TestRootT18MediumOfFAT(t *testing.T) {
	needRoot(t)
	indextest.NeedGit(t)
	carryBy(t, newImage(t, t.TempDir(), "vfat", ""))
}

// carryBy carries a mirror by a medium.
func carryBy(t *testing.T, medium *disk) {
	r := newReplay(t, []string{"-bundle"})
	r.begin(false)
	r.reg.Heal()
	there := *r.mirrored
	there.dir = t.TempDir()
	far := &replay{mirrored: &there, way: r.way, up: r.up}

	r.on("export", "-to", medium.dir, "-full", "-volume", "300KiB", "-parity", "5%").want(program.ExitOK)
	volumes, err := filepath.Glob(filepath.Join(medium.dir, "transfer-*", "volume-*"))
	if err != nil || len(volumes) < 2 {
		t.Fatalf("%d volumes, %v", len(volumes), err)
	}
	medium.remount("ro")
	far.on("import", "-from", volumes[1], "-unsigned").want(program.ExitIncomplete, "bring volume")
	far.on("import", "-from", medium.dir, "-unsigned").want(program.ExitOK, "all that the sending side holds")
	must(t, far.asUpstream())
	far.on("import", "-from", medium.dir, "-unsigned").want(program.ExitOK, "nothing to do")
}
