package durabletest

import "os"

// ScratchInMemory has t.TempDir, and the programs that a test starts, put files into
// memory where there is plenty, unless TMPDIR says where. It is for TestMain of tests that
// make thousands of small files: half of their time was the disk's. Those of what a disk
// forgets simulate one, or make one (TestRoot).
func ScratchInMemory() {
	if dir := memory(); dir != "" && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", dir)
	}
}
