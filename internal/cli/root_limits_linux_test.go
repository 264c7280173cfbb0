package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// C15: far fewer file descriptors than concurrent downloads, on small and large machines. As
// nothing is wrong with the crates, the run must download all of them with the descriptors
// that it has, or report at once that it cannot.
func TestRootC15FewFileDescriptors(t *testing.T) {
	needRoot(t, "sh")
	for _, tt := range []struct {
		processors, files int
		enough            bool
	}{
		{2, 20, false}, {2, 28, false}, {2, 30, false}, {2, 40, false}, {2, 100, true},
		{16, 36, false}, {16, 60, false}, {16, 1000, true},
	} {
		t.Run(fmt.Sprintf("%d files, %d processors", tt.files, tt.processors), func(t *testing.T) {
			m := newMirroredOn(t, simreg.Demo(), t.TempDir())
			m.slow(10 * time.Millisecond) // so that requests pile up
			limited := fmt.Sprintf(`ulimit -n %d && GOMAXPROCS=%d exec "$@"`, tt.files, tt.processors)
			for _, args := range [][]string{nil, {"-verify-existing"}} {
				c := m.start(limited, append(args, "-concurrency", "64")...)
				code := c.code(patience)
				if code == program.ExitFailure && !tt.enough {
					c.says("ulimit -n")
					if n := m.reg.TotalRequests(); n > 0 {
						t.Errorf("%d requests were made", n)
					}
					break
				}
				if code != program.ExitOK {
					t.Fatalf("exit code %d\n%s", code, c.said())
				}
			}
			m.sound()
			m.reg.Heal()
			m.complete()
		})
	}
}

// C27: memory does not grow with the registry.
func TestRootC27LittleMemory(t *testing.T) {
	const limit, versions = 128 << 20, 20000
	needRoot(t, "sh")
	dir := t.TempDir()
	onDisk(t, dir)
	group := newMemoryGroup(t, limit)
	m := newMirroredOn(t, simreg.Generate(versions, 2000, 27), dir)
	c := m.start(fmt.Sprintf(`echo $$ > %s/cgroup.procs && exec "$@"`, group.dir))
	if code := c.code(3 * time.Minute); code != program.ExitOK {
		t.Fatalf("exit code %d (-1: killed) with %d MiB of memory\n%s", code, limit>>20, c.said())
	}
	t.Logf("%d versions within %d MiB, resident at most %d MiB", versions, limit>>20,
		c.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
	must(t, m.check(true))
}

// onDisk skips the test where files are in memory, which would count.
func onDisk(t *testing.T, dir string) {
	t.Helper()
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	if int64(uint32(st.Type)) == unix.TMPFS_MAGIC {
		t.Skip("temporary files are in memory here: set TMPDIR to a folder on a disk")
	}
}

// memoryGroup is a control group with a limit on memory.
type memoryGroup struct{ dir string }

// newMemoryGroup makes one, of version 1 or 2, whichever has the controller.
func newMemoryGroup(t *testing.T, limit int) memoryGroup {
	t.Helper()
	parent, file := memoryController(t)
	g := memoryGroup{filepath.Join(parent, "clonecratesio-test-"+strconv.Itoa(os.Getpid()))}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skip("no control group can be made: ", err)
	}
	t.Cleanup(func() {
		for range 50 { // the process that ended may still be leaving
			if err := os.Remove(g.dir); err == nil || errors.Is(err, os.ErrNotExist) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s cannot be removed", g.dir)
	})
	must(t, os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.Itoa(limit)), 0))
	return g
}

// memoryController returns where groups with a limit on memory are made, and the
// file that has the limit.
func memoryController(t *testing.T) (dir, file string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 4:
		case f[2] == "cgroup" && strings.Contains(","+f[3]+",", ",memory,"):
			return f[1], "memory.limit_in_bytes"
		case f[2] == "cgroup2":
			have, err := os.ReadFile(filepath.Join(f[1], "cgroup.controllers"))
			if err == nil && bytes.Contains(have, []byte("memory")) &&
				os.WriteFile(filepath.Join(f[1], "cgroup.subtree_control"), []byte("+memory"), 0) == nil {
				return f[1], "memory.max"
			}
		}
	}
	t.Skip("no control group for memory is mounted here")
	return "", ""
}
