package durabletest_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var errInjected = errors.New("input/output error")

func TestHookSeesEveryOperation(t *testing.T) {
	var ops []string
	h := durabletest.Hook(durabletest.NewMem(), func(op durabletest.Op) durabletest.Fault {
		ops = append(ops, op.String())
		return durabletest.Fault{}
	})
	must(t, h.MkdirAll("d"))
	put(t, h, "d/temp", "x", true)
	must(t, h.Publish("d/temp", "d/a"))
	must(t, h.SyncDir("d"))
	if _, err := durable.ReadFile(h, "d/a", 10); err != nil {
		t.Fatal(err)
	}
	must(t, h.Remove("d/a"))
	must(t, h.SyncAll())
	want := []string{
		"operation 1: mkdir d", "operation 2: create d/temp", "operation 3: write d/temp",
		"operation 4: sync d/temp", "operation 5: close d/temp", "operation 6: publish d/temp to d/a",
		"operation 7: syncdir d", "operation 8: open d/a", "operation 9: read d/a",
		"operation 10: read d/a", "operation 11: close d/a", "operation 12: remove d/a", "operation 13: syncall .",
	}
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if h.Ops() != len(want) {
		t.Errorf("Ops = %d, want %d", h.Ops(), len(want))
	}
}

// WriteFile fails at each of its operations, or reports a failure wrongly: the file is
// always whole, old or new (C12).
func TestC12WriteFileFailsAtAnyOperation(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		for _, sticky := range []bool{false, true} {
			for n := 1; ; n++ {
				m := durabletest.NewMem()
				must(t, durable.WriteFile(m, "cursor", []byte("old!")))
				h := durabletest.FailAt(m, n, errInjected, sticky, persisted)
				err := durable.WriteFile(h, "cursor", []byte("new!"))
				if h.Ops() < n {
					if n < 6 {
						t.Errorf("WriteFile has only %d operations", h.Ops())
					}
					break
				}
				what := fmt.Sprintf("operation %d, persisted %v, sticky %v", n, persisted, sticky)
				if !errors.Is(err, errInjected) {
					t.Errorf("%s: WriteFile = %v", what, err)
				}
				for disk := range outcomes(t, m) {
					if !strings.HasSuffix(disk, "cursor=old!") && !strings.HasSuffix(disk, "cursor=new!") {
						t.Errorf("%s: the disk holds %q", what, disk)
					}
				}
			}
		}
	}
}

func TestFailedWriteIsShort(t *testing.T) {
	for _, tt := range []struct {
		persisted bool
		want      string
	}{{false, "12"}, {true, "1234"}} {
		m := durabletest.NewMem()
		h := durabletest.FailAt(m, 2, errInjected, false, tt.persisted)
		f, err := h.Create("a")
		must(t, err)
		n, err := io.WriteString(f, "1234")
		if n != len(tt.want) || !errors.Is(err, errInjected) {
			t.Errorf("persisted %v: Write = %d, %v", tt.persisted, n, err)
		}
		if got := list(t, m, "."); got != "a="+tt.want {
			t.Errorf("persisted %v: %s", tt.persisted, got)
		}
	}
}

// A program that keeps writing a file after a failed sync fails, although only one
// operation was made to fail.
func TestC12FileIsDeadAfterFailedSync(t *testing.T) {
	h := durabletest.FailAt(durabletest.NewMem(), 3, errInjected, false, false)
	f, err := h.Create("temp")
	must(t, err)
	_, err = io.WriteString(f, "x")
	must(t, err)
	for what, err := range map[string]error{
		"first Sync": f.Sync(), "second Sync": f.Sync(), "Truncate": f.Truncate(0),
		"Publish": h.Publish("temp", "final"), "Replace": h.Replace("temp", "final"),
	} {
		if !errors.Is(err, errInjected) {
			t.Errorf("%s = %v", what, err)
		}
	}
	must(t, h.Remove("temp"))
	put(t, h, "temp", "y", true)
	must(t, h.Publish("temp", "final"))
}

func TestC12SyncAllFailsForEver(t *testing.T) {
	h := durabletest.FailAt(durabletest.NewMem(), 1, errInjected, false, false)
	for range 2 {
		if err := h.SyncAll(); !errors.Is(err, errInjected) {
			t.Errorf("SyncAll = %v", err)
		}
	}
}

// TestKillAt runs itself as the process that is killed.
func TestKillAt(t *testing.T) {
	const env = "DURABLETEST_KILL_AT"
	if s := os.Getenv(env); s != "" {
		n, err := strconv.Atoi(s)
		must(t, err)
		fsys, err := durable.Open(os.Getenv(env + "_DIR"))
		must(t, err)
		h := durabletest.KillAt(fsys, n)
		put(t, h, "a", "x", false)
		put(t, h, "b", "x", false)
		return
	}
	// put is create, write, close.
	for n, want := range map[int]string{2: "a=", 4: "a=x", 6: "a=x b=x", 7: "a=x b=x"} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillAt$")
		cmd.Env = append(os.Environ(), env+"="+strconv.Itoa(n), env+"_DIR="+dir)
		err := cmd.Run()
		if killed := err != nil; killed != (n < 7) {
			t.Errorf("killed at %d: %v", n, err)
		}
		fsys, err := durable.Open(dir)
		must(t, err)
		if got := list(t, fsys, "."); got != want {
			t.Errorf("killed at %d: %q, want %q", n, got, want)
		}
		must(t, fsys.Close())
	}
}
