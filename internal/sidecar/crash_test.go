package sidecar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// checkWhole wants every file under a final name to be whole, and how it is now
// or how it was before.
func checkWhole(t *testing.T, at string, disk durable.Reader, form string) {
	t.Helper()
	for _, name := range tree(t, disk, ".") {
		text := content(t, disk, name)
		switch {
		case strings.HasPrefix(name, WorkDir+"/"), strings.HasSuffix(name, PartExt):
		case form == "files":
			if !json.Valid([]byte(text)) {
				t.Errorf("%s: %s has %q", at, name, text)
			}
		case text != "old" && strings.Count(text, "\n") != 7:
			t.Errorf("%s: %s has %d lines", at, name, strings.Count(text, "\n"))
		}
	}
}

// checkRecovered wants the next run to complete, the one after it to write no
// file, and nothing to be left.
func checkRecovered(t *testing.T, at string, disk durable.FS, dir, form string) {
	t.Helper()
	for run := range 2 {
		s, err := try(t, disk, dir, form, nil)
		if err != nil || len(s.Problems) > 0 || s.Done() != 7 || form == "files" && run == 1 && s.Written > 0 {
			t.Errorf("%s: run %d: %v, %+v", at, run+1, err, s)
		}
	}
	checkWhole(t, at, disk, form)
	for _, name := range tree(t, disk, ".") {
		if strings.HasPrefix(name, WorkDir+"/") || strings.HasSuffix(name, PartExt) {
			t.Errorf("%s: %s is left", at, name)
		}
	}
}

// oldDisk is a disk with older sidecars on it.
func oldDisk(t *testing.T, form string, noSyncAll bool) *durabletest.Mem {
	t.Helper()
	disk := mem()
	disk.NoSyncAll = noSyncAll
	if form == "files" {
		reg := parse(registry)
		reg.Yank(crate.ID{Name: "ab", Version: "1.0.0"}, true)
		reg.Remove(crate.ID{Name: "qpl", Version: "0.0.1+5"})
		makeAll(t, disk, writeIndex(t, reg), form, nil)
	} else if err := durable.WriteFile(disk, "x."+form, []byte("old")); err != nil {
		t.Fatal(err)
	}
	return disk
}

// A kill or a power cut at any operation leaves whole files, old or new.
func TestC1CutOffAnywhere(t *testing.T) {
	dir := writeIndex(t, parse(registry))
	for _, form := range []string{"files", "jsonl"} {
		for _, noSyncAll := range []bool{false, true} {
			rnd := rand.New(rand.NewPCG(1, 2))
			disk := oldDisk(t, form, noSyncAll)
			var mu sync.Mutex
			wrecks := map[string]*durabletest.Mem{}
			hooked := durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
				mu.Lock()
				defer mu.Unlock()
				wrecks["power cut at "+op.String()] = disk.Crash(rnd)
				wrecks["kill at "+op.String()] = disk.Kill()
				return durabletest.Fault{}
			})
			makeAll(t, hooked, dir, form, nil)
			for at, wreck := range wrecks {
				at = fmt.Sprintf("%s, NoSyncAll %t, %s", form, noSyncAll, at)
				checkWhole(t, at, wreck, form)
				checkRecovered(t, at, wreck, dir, form)
			}
		}
	}
}

// G12: the disk is full, or fails, at any operation, which it has carried out or
// not: an error or a problem that is told, whole files, nothing left behind that
// the next run minds.
func TestG12DiskFailsAnywhere(t *testing.T) {
	dir := writeIndex(t, parse(registry))
	for _, form := range []string{"files", "jsonl", "parquet"} {
		for _, persisted := range []bool{false, true} {
			for _, sticky := range []bool{false, true} {
				for n := 1; ; n++ {
					disk := oldDisk(t, form, false)
					cause := []error{durable.ErrNoSpace, syscall.EIO}[n%2]
					bad := durabletest.FailAt(disk, n, cause, sticky, persisted)
					s, err := try(t, bad, dir, form, nil)
					if bad.Ops() < n {
						break
					}
					at := fmt.Sprintf("%s, %v, sticky %t, persisted %t, operation %d", form, cause, sticky, persisted, n)
					if form == "parquet" {
						if text := content(t, disk, "x.parquet"); err != nil && text != "old" && !strings.HasSuffix(text, "PAR1") {
							t.Errorf("%s: %d bytes", at, len(text))
						}
						continue
					}
					if err == nil && s.Counts.Problems == 0 && s.Done() != 7 {
						t.Errorf("%s: %+v", at, s)
					}
					checkWhole(t, at, disk, form)
					checkRecovered(t, at, disk, dir, form)
				}
			}
		}
	}
}

// A full disk is an error of the run, which the command knows by its kind; what
// was being written does not stay to fill it.
func TestG12FullDisk(t *testing.T) {
	dir := writeIndex(t, simreg.Demo())
	for form := range outputs {
		var writes atomic.Int64
		full := durabletest.Hook(mem(), func(op durabletest.Op) durabletest.Fault {
			if op.Kind == durabletest.OpWrite && (form != "files" || writes.Add(1) > 200) {
				return durabletest.Fault{Err: durable.ErrNoSpace}
			}
			return durabletest.Fault{}
		})
		if _, err := try(t, full, dir, form, nil); !errors.Is(err, durable.ErrNoSpace) {
			t.Errorf("%s: %v", form, err)
		}
		for _, name := range tree(t, full, ".") {
			if form != "files" || strings.HasPrefix(name, WorkDir+"/") {
				t.Errorf("%s: %s is left", form, name)
			}
		}
	}
}
