package durabletest

import (
	"os"
	"runtime/debug"
	"testing"
)

// Main is a TestMain for tests that create many small files and much garbage. Each costs
// them a third of their processor time.
func Main(m *testing.M) {
	ScratchInMemory()
	GarbageWaits()
	m.Run()
}

// ScratchInMemory makes t.TempDir, and the programs that a test starts, use memory for
// files if there is plenty, unless TMPDIR is set. It is for TestMain of tests that create
// thousands of small files: half of their time was the disk's. Tests of what a disk loses
// simulate one, or create one (TestRoot).
func ScratchInMemory() {
	if dir := memory(); dir != "" && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", dir)
	}
}

// GarbageWaits lets the heap grow to five times what is in use, unless GOGC is set: a
// test's heap is small, and each run leaves buffers behind.
func GarbageWaits() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
