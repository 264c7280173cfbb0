package packed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// watched is a folder that tells before of each read of its files.
type watched struct {
	durable.Reader
	before func(offset, end int64)
}

func (w watched) Open(name string) (durable.File, error) {
	f, err := w.Reader.Open(name)
	return watchedFile{f, w.before}, err
}

type watchedFile struct {
	durable.File
	before func(offset, end int64)
}

func (f watchedFile) ReadAt(b []byte, offset int64) (int, error) {
	f.before(offset, offset+int64(len(b)))
	return f.File.ReadAt(b, offset)
}

func rowsOf(items []*item) (rows []Row) {
	for _, it := range items {
		rows = append(rows, Row{it.Key, it.at.Deep})
	}
	return rows
}

// badAt returns the numbers of those with which something is wrong.
func badAt(errs []error) (bad []int) {
	for i, err := range errs {
		if err != nil {
			bad = append(bad, i)
		}
	}
	return bad
}

// A pack is decoded once, however many of its versions are verified.
func TestCheckPackDecodesOnce(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", deep.MaxVersions, 300)
	pack(t, mem, 0, all)
	end := all[0].at.Deep.Pack + all[0].at.Deep.PackSize
	var decodes atomic.Int64
	s := open(t, mem, func(cfg *Config) {
		cfg.Folder = watched{mem, func(_, to int64) {
			if to == end { // the data frame: it ends the pack
				decodes.Add(1)
			}
		}}
	})
	for _, depth := range []deep.Depth{deep.Tars, deep.Crates} {
		decodes.Store(0)
		errs := s.CheckPack(t.Context(), rowsOf(all), depth)
		if bad := badAt(errs); len(errs) != len(all) || bad != nil || decodes.Load() != 1 {
			t.Errorf("depth %d: %d verdicts, bad: %v, %d decodes; want 1 for all", depth, len(errs), bad, decodes.Load())
		}
	}
}

// A damaged pack costs all its versions, and no other pack's; a segment that is not
// there is missing.
func TestCheckPackDamaged(t *testing.T) {
	mem := durabletest.NewMem()
	serde, log := versions(t, "serde", 3, 300), versions(t, "log", 3, 300)
	pack(t, mem, 0, serde, log)
	data, err := durable.ReadFile(mem, deep.FileName(0), 1<<20)
	must(t, err)
	data[serde[0].at.Deep.Pack+serde[0].at.Deep.PackSize-9] ^= 1
	disk := durabletest.NewMem()
	must(t, durable.WriteFile(disk, deep.FileName(0), data))
	s := open(t, disk, nil)
	for _, depth := range []deep.Depth{deep.Frames, deep.Tars, deep.Crates} {
		for i, err := range s.CheckPack(t.Context(), rowsOf(serde), depth) {
			if !deep.IsDamage(err) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("depth %d, version %d of a damaged pack: %v", depth, i, err)
			}
		}
		if errs := s.CheckPack(t.Context(), rowsOf(log), depth); badAt(errs) != nil {
			t.Errorf("depth %d, the pack beside it: %v", depth, errs)
		}
	}
	for i, err := range open(t, durabletest.NewMem(), nil).CheckPack(t.Context(), rowsOf(log), deep.Crates) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("version %d of a segment that is not there: %v", i, err)
		}
	}
}

// What the catalog says of one version costs no other one.
func TestCheckPackRows(t *testing.T) {
	mem := durabletest.NewMem()
	all, other := versions(t, "serde", 4, 300), versions(t, "log", 1, 300)
	pack(t, mem, 0, all, other)
	s := open(t, mem, nil)
	for what, change := range map[string]func(*Row){
		"number":   func(r *Row) { r.At.Number = 0 },
		"no such":  func(r *Row) { r.At.Number = 77 },
		"negative": func(r *Row) { r.At.Number = -1 },
		"segment":  func(r *Row) { r.At.Segment = deep.FileName(5) },
		"sum":      func(r *Row) { r.Checksum[0]++ },
		"pack":     func(r *Row) { *r = rowsOf(other)[0] },
	} {
		rows := rowsOf(all)
		change(&rows[2])
		errs := s.CheckPack(t.Context(), rows, deep.Crates)
		if bad := badAt(errs); len(bad) != 1 || !errors.Is(errs[2], deep.ErrNotThere) {
			t.Errorf("%s: %v", what, errs)
		}
	}
}

// pretend changes what the directory of a pack says that the .crate of a version is,
// in a segment that is whole otherwise: its tar is good, and what is rebuilt of it is
// another .crate.
func pretend(t *testing.T, mem durable.FS, it *item) durable.FS {
	t.Helper()
	data, err := durable.ReadFile(mem, deep.FileName(0), 1<<20)
	must(t, err)
	const head = 8
	frame := data[it.at.Deep.Pack:]
	frame = frame[:head+binary.LittleEndian.Uint32(frame[4:])]
	at := bytes.Index(frame, it.Checksum[:])
	it.Checksum[0]++
	copy(frame[at:], it.Checksum[:])
	sum := sha256.Sum256(frame[:len(frame)-sha256.Size])
	copy(frame[len(frame)-sha256.Size:], sum[:])
	disk := durabletest.NewMem()
	must(t, durable.WriteFile(disk, deep.FileName(0), data))
	return disk
}

// A pack with one version that cannot be rebuilt: the others are good, and its tar is.
func TestCheckPackOneBadVersion(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", 4, 300)
	pack(t, mem, 0, all)
	s := open(t, pretend(t, mem, all[1]), nil)
	errs := s.CheckPack(t.Context(), rowsOf(all), deep.Crates)
	if bad := badAt(errs); len(bad) != 1 || !deep.IsDamage(errs[1]) {
		t.Errorf("every .crate is rebuilt: %v", errs)
	}
	if errs := s.CheckPack(t.Context(), rowsOf(all), deep.Tars); badAt(errs) != nil {
		t.Errorf("only tars are hashed: %v", errs)
	}
}

// A panic is an error of the version that it came of.
func TestCheckPackPanic(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", 3, 300)
	pack(t, mem, 0, all)
	var reads atomic.Int64
	s := open(t, mem, func(cfg *Config) {
		cfg.Folder = watched{mem, func(offset, _ int64) {
			if offset == all[0].at.Deep.Pack && reads.Add(1) == 1 {
				panic("out of luck")
			}
		}}
	})
	if errs := s.CheckPack(t.Context(), rowsOf(all), deep.Crates); badAt(errs) != nil {
		t.Error(errs)
	}
}

// It takes its turn, is never refused, and ends with its context.
func TestCheckPackWaits(t *testing.T) {
	mem := durabletest.NewMem()
	all := versions(t, "serde", 2, 300)
	pack(t, mem, 0, all)
	s := open(t, mem, func(cfg *Config) { cfg.Rebuilds, cfg.Waiting = 1, 1 })
	release, err := s.turns.take(t.Context(), &ticket{clients: []string{"other"}}, 1)
	must(t, err)
	stopped, stop := context.WithCancel(t.Context())
	results := make(chan []error)
	for _, ctx := range []context.Context{stopped, t.Context(), t.Context()} {
		go func() { results <- s.CheckPack(ctx, rowsOf(all), deep.Crates) }()
	}
	waitFor(t, func() bool { return s.turns.waitingNow() == 3 })
	stop()
	if errs := <-results; !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("the one that was stopped: %v", errs)
	}
	release()
	for range 2 {
		if errs := <-results; badAt(errs) != nil {
			t.Error(errs)
		}
	}
}
