package runlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

func record(n int) Record {
	return Record{
		SchemaVersion: 1, URL: fmt.Sprintf("https://example.org/<%d>&%%2B", n), Path: `out\s\er`, Storage: Filesystem, Size: int64(n),
		SHA256: strings.Repeat("ab", 32), StartedAt: Time(time.Unix(1700000000, 123456789)), FinishedAt: Time(time.Unix(1700000001, 0)),
		OK: true, Status: Downloaded, Retries: n % 3, Crate: "serde", Version: fmt.Sprintf("1.0.%d", n),
	}
}

// each yields records in the memory of one, as the mirror does.
func each(records ...Record) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		var r Record
		for _, r = range records {
			if !yield(&r) {
				return
			}
		}
	}
}

func write(t *testing.T, fsys durable.FS, records ...Record) {
	t.Helper()
	w := Create(fsys, "m.jsonl")
	if err := errors.Join(w.Append(each(records...)), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, fsys durable.Reader, name string) []byte {
	t.Helper()
	data, err := durable.ReadFile(fsys, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readAll returns the records and the lines with errors.
func readAll(data []byte) (records []Record, errs map[int]error) {
	errs = map[int]error{}
	n := 0
	for rec, err := range Read(bytes.NewReader(data)) {
		n++
		if err != nil {
			errs[n] = err
			continue
		}
		rec.Prev = ""
		records = append(records, rec)
	}
	return records, errs
}

func TestRoundTrip(t *testing.T) {
	mem := durabletest.NewMem()
	want := []Record{record(1), record(2), record(3)}
	write(t, mem, want...)
	data := content(t, mem, "m.jsonl")
	got, errs := readAll(data)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("records (-want +got):\n%s\nerrors: %v", diff, errs)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	const begins = `{"schema_version":1,"url":"https://example.org/<1>&%2B","path":"out\\s\\er","storage":"filesystem","size":1,"sha256":"abab`
	if !strings.HasPrefix(line, begins) || !strings.Contains(line, `"started_at":"2023-11-14T22:13:20.123Z"`) {
		t.Errorf("line = %s", line)
	}
}

// C33: a stream has a chain of its own, and nothing earlier.
func TestC33Stream(t *testing.T) {
	mem := durabletest.NewMem()
	f, err := mem.Create("stream")
	if err != nil {
		t.Fatal(err)
	}
	w := Stream(f)
	if err := errors.Join(w.Append(each(record(1))), w.Append(each(record(2))), w.Close()); err != nil {
		t.Fatal(err)
	}
	data := content(t, mem, "stream")
	got, errs := readAll(data)
	if diff := cmp.Diff([]Record{record(1), record(2)}, got); diff != "" || len(errs) > 0 {
		t.Errorf("records (-want +got):\n%s\nerrors: %v", diff, errs)
	}
	if !strings.Contains(string(data), `"prev":"`+strings.Repeat("0", 64)+`"`) {
		t.Errorf("the chain begins otherwise: %s", data)
	}
}

// Manifests of v1.1.0 have no chain, and empty times where it failed.
func TestReadV110(t *testing.T) {
	const old = `{"schema_version":1,"url":"u","path":"out/s/er/serde-1.0.0.crate","storage":"filesystem","size":5,"sha256":"00","started_at":"2025-01-01T00:00:00Z","finished_at":"2025-01-01T00:00:01Z","ok":true,"status":"existing"}
{"schema_version":1,"url":"v","path":"","size":0,"sha256":"","started_at":"2025-01-01T00:00:00Z","finished_at":"","ok":false,"error":"HTTP 500","retries":5,"status":"error","unknown":[1]}
`
	got, errs := readAll([]byte(old))
	if len(errs) > 0 || len(got) != 2 || !got[0].OK || got[1].Error != "HTTP 500" || got[1].Retries != 5 {
		t.Errorf("%+v, %v", got, errs)
	}
}

// G4: a line that was changed, dropped or added is found, at that line.
func TestG4ChainShowsEdits(t *testing.T) {
	mem := durabletest.NewMem()
	write(t, mem, record(1), record(2), record(3), record(4))
	whole := string(content(t, mem, "m.jsonl"))
	lines := strings.SplitAfter(whole, "\n")
	for name, tt := range map[string]struct {
		text string
		line int
	}{
		"changed":   {strings.Replace(whole, `"size":2`, `"size":9`, 1), 2},
		"dropped":   {lines[0] + lines[2] + lines[3], 2},
		"swapped":   {lines[0] + lines[2] + lines[1] + lines[3], 2},
		"doubled":   {lines[0] + lines[1] + lines[1] + lines[2], 3},
		"no chain":  {lines[0] + `{"schema_version":1,"ok":true}` + "\n" + lines[1], 2},
		"no start":  {lines[1] + lines[2], 1},
		"new start": {strings.Replace(whole, `"prev":"00`, `"prev":"01`, 1), 1},
	} {
		_, errs := readAll([]byte(tt.text))
		if !errors.Is(errs[tt.line], ErrChain) {
			t.Errorf("%s: errors %v, want the chain broken at line %d", name, errs, tt.line)
			continue
		}
		if got, want := errs[tt.line].Error(), fmt.Sprintf("line %d: line does not continue the hash chain", tt.line); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// The last chain covers every line before it: it is found at the end of the file, a
// torn line aside, and a changed line before it is found out.
func TestG4LastChainCoversAll(t *testing.T) {
	mem := durabletest.NewMem()
	write(t, mem, record(1), record(2), record(3))
	whole := content(t, mem, "m.jsonl")
	end, chain, err := Last(mem, "m.jsonl")
	if err != nil || end != int64(len(whole)) {
		t.Fatalf("Last = %d, %v, want %d", end, err, len(whole))
	}
	longer := append(whole[:len(whole):len(whole)], `{"torn`...)
	for name, tt := range map[string]struct {
		data  []byte
		lines int64
		want  error
	}{
		"whole":   {whole, 3, nil},
		"longer":  {longer, 3, nil},
		"shorter": {whole[:bytes.IndexByte(whole, '\n')+1], 1, ErrOther},
		"changed": {bytes.Replace(whole, []byte(`"size":2`), []byte(`"size":9`), 1), 1, ErrChain},
		"empty":   {nil, 0, ErrOther},
		"before":  {append([]byte("{\"crate\":\"added\",\"ok\":true}\n"), whole...), 0, ErrChain}, // as a line of v1.1.0
		"blank":   {append([]byte("\n"), whole...), 2, ErrOther},
		"CRLF":    {bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")), 2, ErrOther},
		"digits":  {upperDigit(whole), 0, ErrChain},
	} {
		if lines, err := CheckUpTo(bytes.NewReader(tt.data), end, chain); lines != tt.lines || !errors.Is(err, tt.want) {
			t.Errorf("%s: %d lines, %v, want %d, %v", name, lines, err, tt.lines, tt.want)
		}
	}
	if f, err := mem.Append("m.jsonl"); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write([]byte(`{"torn`)); err != nil {
		t.Fatal(err)
	}
	if again, other, err := Last(mem, "m.jsonl"); again != end || other != chain || err != nil {
		t.Errorf("with a torn line: %d, %v", again, err)
	}
}

// upperDigit writes a digit of the first chain in another way, which is the same number.
func upperDigit(data []byte) []byte {
	data = bytes.Clone(data)
	at := bytes.Index(data, []byte(`"chain":"`)) + len(`"chain":"`)
	at += bytes.IndexAny(data[at:], "abcdef")
	data[at] -= 'a' - 'A'
	return data
}

// G1: a torn last line is told from whole ones, wherever it was torn.
func TestG1TornTail(t *testing.T) {
	mem := durabletest.NewMem()
	write(t, mem, record(1), record(2))
	whole := content(t, mem, "m.jsonl")
	first := bytes.IndexByte(whole, '\n') + 1
	for cut := first + 1; cut < len(whole); cut++ {
		got, errs := readAll(whole[:cut])
		if len(got) != 1 || !errors.Is(errs[2], jsonl.ErrTorn) {
			t.Fatalf("cut at byte %d of %d: %d records, errors %v", cut, len(whole), len(got), errs)
		}
	}
}

// G2, G5: a line that cannot be used, or is endless, costs itself.
func TestG2BadLineInTheMiddle(t *testing.T) {
	for name, bad := range map[string]string{
		"no JSON": "\x00\x00\x00", "array": "[]", "long": `{"url":"` + strings.Repeat("x", MaxLine) + `"}`, "twice": `{"ok":true,"ok":false}`,
	} {
		got, errs := readAll([]byte(`{"url":"a"}` + "\n" + bad + "\n" + `{"url":"b"}` + "\n"))
		if len(got) != 2 || got[1].URL != "b" || len(errs) != 1 || errs[2] == nil {
			t.Errorf("%s: %d records, errors %v; want 2 and an error at line 2", name, len(got), errs)
		}
	}
}

// An earlier run's manifest is moved aside, compressed, and its chain continued.
func TestEarlierManifestIsKept(t *testing.T) {
	mem := durabletest.NewMem()
	var all []byte
	for n := range 3 {
		write(t, mem, record(10*n), record(10*n+1))
		all = append(all, content(t, mem, "m.jsonl")...)
	}
	if got, errs := readAll(all); len(got) != 6 || len(errs) > 0 {
		t.Errorf("the manifests of three runs are no chain: %d records, %v", len(got), errs)
	}
	kept := map[string]bool{}
	for _, text := range texts(t, mem) {
		kept[text] = true
	}
	if len(kept) != 3 {
		t.Errorf("%d files with different contents, want 3", len(kept))
	}
	for text := range kept {
		if strings.Count(text, "\n") != 2 || !strings.Contains(string(all), text) {
			t.Errorf("a manifest that was moved aside is not what a run wrote: %q", text)
		}
	}
}

// texts returns the contents of all files, the compressed ones decompressed. A
// file of any other kind is an error.
func texts(t *testing.T, fsys durable.FS) (list []string) {
	t.Helper()
	entries, err := fsys.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data := content(t, fsys, e.Name())
		switch {
		case strings.HasSuffix(e.Name(), ".jsonl"):
		case strings.HasSuffix(e.Name(), ".jsonl.zst"):
			dec, err := zstd.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if data, err = io.ReadAll(dec); err != nil {
				t.Fatalf("%s: %v", e.Name(), err)
			}
			dec.Close()
		default:
			t.Errorf("%s is left over", e.Name())
		}
		list = append(list, string(data))
	}
	return list
}

// A run that records nothing does not break the chain, and bytes that are no
// UTF-8 do not break a run.
func TestNothingToRecordAndNoUTF8(t *testing.T) {
	mem := durabletest.NewMem()
	write(t, mem, record(1))
	all := content(t, mem, "m.jsonl")
	write(t, mem)
	bad := record(2)
	bad.Error, bad.Path = "407 ben\xf6tigt", "o\xff"
	write(t, mem, bad)
	all = append(all, content(t, mem, "m.jsonl")...)
	got, errs := readAll(all)
	if len(got) != 2 || len(errs) > 0 || got[1].Error != "407 ben\ufffdtigt" {
		t.Errorf("%+v, %v", got, errs)
	}
}

// Wherever the power goes while a manifest is moved aside, every line that was
// durable is still there, in one file or another.
func TestSetAsideSurvivesPowerCuts(t *testing.T) {
	mem := durabletest.NewMem()
	write(t, mem, record(1), record(2))
	want := string(content(t, mem, "m.jsonl"))
	rnd := rand.New(rand.NewPCG(1, 2))
	cuts := 0
	hooked := durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		for range 5 {
			cuts++
			wreck := mem.Crash(rnd)
			w := Create(wreck, "m.jsonl")
			if err := errors.Join(w.Append(each(record(9))), w.Close()); err != nil {
				t.Fatalf("after a power cut at %v: %v", op, err)
			}
			found := false
			for _, text := range texts(t, wreck) {
				found = found || text == want
			}
			if !found {
				t.Errorf("after a power cut at %v: the first run's records are lost", op)
			}
		}
		return durabletest.Fault{}
	})
	write(t, hooked, record(3))
	if cuts < 50 {
		t.Errorf("only %d cuts", cuts)
	}
}

// C9, C12: after a failed write or sync the writer is dead, and what it had
// written before is still readable.
func TestC12AppendFails(t *testing.T) {
	for _, kind := range []durabletest.Kind{durabletest.OpWrite, durabletest.OpSync} {
		mem := durabletest.NewMem()
		armed := false
		w := Create(durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
			if armed && op.Kind == kind {
				return durabletest.Fault{Err: syscall.EIO}
			}
			return durabletest.Fault{}
		}), "m.jsonl")
		if err := w.Append(each(record(1))); err != nil {
			t.Fatal(err)
		}
		armed = true
		if err := w.Append(each(record(2))); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: Append = %v", kind, err)
		}
		armed = false
		if err := w.Append(each(record(3))); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s failed: the next Append = %v, want the same error", kind, err)
		}
		got, _ := readAll(content(t, mem, "m.jsonl"))
		if len(got) == 0 || got[0].Version != "1.0.1" {
			t.Errorf("%s failed: %d records are readable", kind, len(got))
		}
	}
}

// A large batch is written in several pieces. When one of them fails, what was there before
// is still there, and the writer is dead.
func TestLargeBatch(t *testing.T) {
	var many []Record
	for i := range 2 * atOnce / 400 { // three pieces
		many = append(many, record(i))
	}
	mem := durabletest.NewMem()
	writes, fails := 0, 0
	w := Create(durabletest.Hook(mem, func(op durabletest.Op) durabletest.Fault {
		if op.Kind != durabletest.OpWrite {
			return durabletest.Fault{}
		}
		if writes++; writes == fails {
			return durabletest.Fault{Err: syscall.EIO}
		}
		return durabletest.Fault{}
	}), "m.jsonl")
	if err := w.Append(each(many...)); err != nil || writes < 3 {
		t.Fatalf("%d writes, error %v", writes, err)
	}
	whole := content(t, mem, "m.jsonl")
	got, errs := readAll(whole)
	if len(got) != len(many) || len(errs) > 0 || got[len(got)-1] != many[len(many)-1] {
		t.Errorf("%d of %d records are readable, errors %v", len(got), len(many), errs)
	}
	fails = writes + 2
	if err := w.Append(each(many...)); !errors.Is(err, syscall.EIO) {
		t.Errorf("the second write fails: %v", err)
	}
	if err := w.Append(each(many[:1]...)); !errors.Is(err, syscall.EIO) {
		t.Errorf("after that: %v", err)
	}
	left := content(t, mem, "m.jsonl")
	if got, _ := readAll(left); !bytes.HasPrefix(left, whole) || len(got) >= 2*len(many) {
		t.Errorf("%d bytes, %d records are left of %d bytes and a batch that failed", len(left), len(got), len(whole))
	}
}

func FuzzManifestLine(f *testing.F) {
	mem := durabletest.NewMem()
	w := Create(mem, "m.jsonl")
	if err := w.Append(each(record(1), record(2))); err != nil {
		f.Fatal(err)
	}
	data, err := durable.ReadFile(mem, "m.jsonl", 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"ok":true}`))
	f.Add([]byte("\n\n{}\n"))
	f.Add([]byte(`{"chain":"` + strings.Repeat("0", 64) + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for range Read(bytes.NewReader(data)) {
			n++
		}
		want := 0
		for line := range bytes.SplitAfterSeq(data, []byte("\n")) {
			if len(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))) > 0 {
				want++
			}
		}
		if bytes.HasSuffix(data, []byte("\n\r")) || string(data) == "\r" {
			want++ // torn
		}
		if n != want {
			t.Errorf("%d results for %d lines", n, want)
		}
	})
}
