package runstate_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

func TestWriteRead(t *testing.T) {
	dir := t.TempDir()
	fsys, err := durable.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	if _, err := runstate.Read(fsys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first run: %v", err)
	}
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	for _, want := range []runstate.State{
		{Version: "v2", Processed: 3, RatePerSec: "1.5", Phase: "mirroring", Started: at, Updated: at},
		{Version: "v2", Processed: 4, Started: at, Updated: at, Ended: at, Result: "complete"},
	} {
		if err := runstate.Write(fsys, want); err != nil {
			t.Fatal(err)
		}
		got, err := runstate.Read(fsys)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("files left: %v", names)
	}
	if err := os.WriteFile(filepath.Join(dir, runstate.Name), []byte(strings.Repeat(" ", 65<<10)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := runstate.Read(fsys); err == nil {
		t.Error("a file of 65 KiB was read")
	}
}

func TestLive(t *testing.T) {
	now := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	for _, c := range []struct {
		state runstate.State
		want  bool
	}{
		{runstate.State{Updated: now.Add(-2 * time.Second)}, true},
		{runstate.State{Updated: now.Add(-time.Minute)}, false}, // killed
		{runstate.State{Updated: now, Ended: now}, false},
		{runstate.State{}, false},
	} {
		if got := c.state.Live(now); got != c.want {
			t.Errorf("%+v: live %v", c.state, got)
		}
	}
}
