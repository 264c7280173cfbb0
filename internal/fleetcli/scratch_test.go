package fleetcli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestScratchOfTheDead checks that a new worker removes what a killed one left, and nothing of
// running workers or other programs.
func TestScratchOfTheDead(t *testing.T) {
	parent := t.TempDir()
	dead := filepath.Join(parent, workerDirs+"1")
	other := filepath.Join(parent, "other")
	for _, dir := range []string{filepath.Join(dead, "repack-1"), other} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{filepath.Join(dead, scratchLock), filepath.Join(dead, "repack-1", "deep-0000.zst"), filepath.Join(other, scratchLock)} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	live, remove, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	second, removeSecond, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dead: false, other: true, live: true, second: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it to be there: %t", path, err, want)
		}
	}
	for _, remove := range []func() error{remove, removeSecond} {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(parent); len(left) != 1 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}
