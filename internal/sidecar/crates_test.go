package sidecar

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// put puts bytes under the name of a crate.
func put(t *testing.T, disk *durabletest.Mem, id crate.ID, data []byte) {
	t.Helper()
	if err := errors.Join(disk.MkdirAll(path.Dir(id.LoosePath())), durable.WriteFile(disk, id.LoosePath(), data)); err != nil {
		t.Fatal(err)
	}
}

func TestManifestToml(t *testing.T) {
	reg, disk := parse(registry), mem()
	for _, id := range reg.IDs() {
		data, err := reg.CrateBytes(id)
		if err != nil {
			t.Fatal(err)
		}
		switch id.Name {
		case "ab":
			data = append(data, "flipped"...)
		case "qpl":
			continue
		}
		put(t, disk, id, data)
	}
	with := func(c *Config) { c.Crates = &Crates{Store: loose.OpenReadOnly(disk)} }
	dir := writeIndex(t, reg)
	s := makeAll(t, disk, dir, "jsonl", with)
	if s.NotHeld != 1 || s.Unreadable != 1 || s.Written != 7 {
		t.Errorf("%+v, want 1 not held, 1 unreadable, 7 written", s.Counts)
	}
	for line := range strings.Lines(content(t, disk, "x.jsonl")) {
		o := decode(t, line)
		said, _ := o["manifest"].(map[string]any)
		switch o["name"] {
		case "qpl":
			if said != nil {
				t.Errorf("qpl is not held, and yet: %v", said)
			}
		case "ab":
			if text := fmt.Sprint(said["unreadable"]); !strings.Contains(text, "the index says") || len(said) != 1 {
				t.Errorf("ab has other bytes: %v", said)
			}
		default:
			if said["edition"] != "2021" || fmt.Sprint(said["file_count"]) == "0" || said["unpacked_size"] == nil {
				t.Errorf("%v: %v", o["name"], said)
			}
		}
	}
	makeAll(t, disk, dir, "parquet", with)
	for _, row := range readTable(t, disk) {
		if held := row.Name != "ab" && row.Name != "qpl"; held != (row.Edition == "2021" && row.FileCount != nil) || (row.Name == "ab") != (row.Unreadable != "") {
			t.Errorf("%s: %+v", row.Name, row)
		}
	}
}

// G10: crates that are hostile or broken, all with the checksum that the index
// names. Each gets its sidecar, which says what is wrong.
func TestG10UnreadableCrates(t *testing.T) {
	zipped := func(data string) []byte {
		var buf bytes.Buffer
		zw := gzip.NewWriter(&buf)
		zw.Write([]byte(data))
		zw.Close()
		return buf.Bytes()
	}
	var link bytes.Buffer
	tw := tar.NewWriter(&link)
	tw.WriteHeader(&tar.Header{Name: "x-0.0.4/Cargo.toml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
	tw.Close()
	disk := mem()
	var lines []string
	var want []string
	for i, tt := range []struct {
		data []byte
		want string
	}{
		{nil, "the crate file is empty"},
		{[]byte("<html><body></body></html>"), "unpacking: gzip: invalid header"},
		{zipped("x")[:12], "unpacking: the crate file ends too early"},
		{zipped(strings.Repeat("\x00", 1024)), "there is no x-0.0.3/Cargo.toml"},
		{zipped(link.String()), "x-0.0.4/Cargo.toml is not a regular file"},
	} {
		id := crate.ID{Name: "x", Version: fmt.Sprintf("0.0.%d", i)}
		put(t, disk, id, tt.data)
		lines = append(lines, fmt.Sprintf(`{"name":"x","vers":"%s","cksum":"%x","yanked":false}`, id.Version, sha256.Sum256(tt.data)))
		want = append(want, tt.want)
	}
	s := makeAll(t, disk, writeLines(t, "x", lines...), "files", func(c *Config) { c.Crates = &Crates{Store: loose.OpenReadOnly(disk)} })
	if s.Unreadable != int64(len(want)) {
		t.Errorf("%d unreadable, want %d", s.Unreadable, len(want))
	}
	var got []string
	for i := range want {
		o := decode(t, content(t, disk, fmt.Sprintf("x/x-0.0.%d.crate.json", i)))
		got = append(got, fmt.Sprint(o["manifest"].(map[string]any)["unreadable"]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A folder under a crate's name is not the crate, and no reason to stop.
func TestCrateIsAFolder(t *testing.T) {
	disk := mem()
	reg := simreg.New(simreg.MustParse("x 1.0.0")...)
	if err := disk.MkdirAll("x/x-1.0.0.crate"); err != nil {
		t.Fatal(err)
	}
	s := makeAll(t, disk, writeIndex(t, reg), "jsonl", func(c *Config) { c.Crates = &Crates{Store: loose.OpenReadOnly(disk)} })
	if s.Unreadable != 1 || !strings.Contains(content(t, disk, "x.jsonl"), `"unreadable":"`) {
		t.Errorf("%+v: %s", s.Counts, content(t, disk, "x.jsonl"))
	}
}

// C15: what this machine cannot do is not said of the crate.
func TestCrateCannotBeOpened(t *testing.T) {
	reg, disk := parse(registry), mem()
	for _, id := range reg.IDs() {
		data, err := reg.CrateBytes(id)
		if err != nil {
			t.Fatal(err)
		}
		put(t, disk, id, data)
	}
	busy := durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
		if op.Kind == durabletest.OpOpen && strings.HasSuffix(op.Name, "ab-1.0.0.crate") {
			return durabletest.Fault{Err: syscall.EMFILE}
		}
		return durabletest.Fault{}
	})
	s, err := try(t, disk, writeIndex(t, reg), "jsonl", func(c *Config) { c.Crates = &Crates{Store: loose.OpenReadOnly(busy)} })
	if err != nil || s.Written != 6 || len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Error(), "ab 1.0.0: ") {
		t.Errorf("%v, %+v", err, s)
	}
	if got := content(t, disk, "x.jsonl"); strings.Count(got, "\n") != 6 || strings.Contains(got, "unreadable") {
		t.Error(got)
	}
}
