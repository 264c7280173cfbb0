package durabletest

import (
	"os"
	"runtime/debug"
	"testing"
)

// Main is TestMain of tests that make many small files and much garbage. Both cost them a
// third of their processor time.
func Main(m *testing.M) {
	ScratchInMemory()
	GarbageWaits()
	m.Run()
}

// ScratchInMemory has t.TempDir, and the programs that a test starts, put files into
// memory where there is plenty, unless TMPDIR says where. It is for TestMain of tests that
// make thousands of small files: half of their time was the disk's. Those of what a disk
// forgets simulate one, or make one (TestRoot).
func ScratchInMemory() {
	if dir := memory(); dir != "" && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", dir)
	}
}

// GarbageWaits lets garbage grow to four times what is in use, unless GOGC says otherwise:
// a test's heap is small, and each of its runs leaves buffers behind.
func GarbageWaits() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
