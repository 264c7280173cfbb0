package catalog

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestK6CopyWithoutShm reads a copy of a catalog whose writer had not finished: with its
// log, without the log's index, in a folder where none can be created. As root, whom no
// mode stops, it runs itself as another user.
func TestK6CopyWithoutShm(t *testing.T) {
	const env = "CATALOG_COPY"
	if path := os.Getenv(env); path != "" {
		readCopy(t, path)
		return
	}
	w, path := tempCatalog(t)
	mustCommit(t, w, Batch{Versions: []Version{version("a", "1.0.0", 1), version("a", "2.0.0", 2)}})
	dir, err := os.MkdirTemp("", "catalog-copy-") // other users cannot read t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, ext := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + ext)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "catalog.db"+ext), data, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	copied := filepath.Join(dir, "catalog.db")
	if os.Geteuid() != 0 {
		readCopy(t, copied)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestK6CopyWithoutShm$")
	cmd.Env = append(os.Environ(), env+"="+copied)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func readCopy(t *testing.T, path string) {
	t.Helper()
	f := follow(t, path)
	wantHeld(t, f, "a", 2) // only in the log
	wantChanged(t, f, false)
	if got := names(t, filepath.Dir(path)); len(got) != 2 {
		t.Errorf("reading has made files: %v", got)
	}
}
