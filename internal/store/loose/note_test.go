package loose

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

var (
	foo  = crate.ID{Name: "foo", Version: "1.0.0"}
	sum1 = crate.Checksum{1}
	sum2 = crate.Checksum{2}
)

func quarantine(t *testing.T, files map[string]string) *Store {
	t.Helper()
	mem := durabletest.NewMem()
	s, err := Open(mem, Batch)
	if err == nil {
		err = mem.MkdirAll(QuarantineDir)
	}
	for name, data := range files {
		if err == nil {
			err = durable.WriteFile(mem, QuarantineDir+"/"+name, []byte(data))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func list(t *testing.T, s *Store) (all []store.Evidence) {
	t.Helper()
	for e, err := range s.Evidence() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// What earlier programs left, and what people copied there, is listed and counts
// as not settled.
func TestEvidenceOfEarlierPrograms(t *testing.T) {
	const head = `{"crate":"foo","version":"1.0.0","time":"2026-01-02T03:04:05Z","reason":"`
	s := quarantine(t, map[string]string{
		"foo-1.0.0.crate.came-0123456789abcdef":      "<html>",
		"foo-1.0.0.crate.came-0123456789abcdef.json": head + `sha256 of the 6 bytes is X"}`,
		"foo-1.0.0.crate.came-0000000000000000":      "",
		"foo-1.0.0.crate.came-0000000000000000.json": head + `at offset 7 of bundle-0000.tar.zst, 9 bytes: bad"}`,
		"foo-1.0.0.crate.was-20260102T030405Z":       "bad",
		"foo-1.0.0.crate.was-20260102T030405Z.json":  head + `sha256 of the 3 bytes is Y"}`,
		"foo-1.0.0.crate.was-20260102T030405Z-2":     "bad again",
		"foo-1.0.0.crate.was-20260102T030407Z":       "its note is torn",
		"foo-1.0.0.crate.was-20260102T030407Z.json":  `{"crate":`,
		"bar-2.0.0.crate.was-20260102T030405Z.json":  head + `its file was removed"}`,
		"holiday.jpg": "a picture",
	})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const dir = "quarantine/foo-1.0.0.crate."
	want := []store.Evidence{
		{File: dir + "came-0000000000000000", ID: foo, Kind: store.Member, Reason: "at offset 7 of bundle-0000.tar.zst, 9 bytes: bad", Time: at},
		{File: dir + "came-0123456789abcdef", ID: foo, Kind: store.Sent, Reason: "sha256 of the 6 bytes is X", Time: at},
		{File: dir + "was-20260102T030405Z", ID: foo, Kind: store.Found, Reason: "sha256 of the 3 bytes is Y", Time: at},
		{File: dir + "was-20260102T030405Z-2", ID: foo, Kind: store.Found, Reason: "there is no note"},
		{File: dir + "was-20260102T030407Z", ID: foo, Kind: store.Found, Reason: "its note cannot be read: unexpected EOF"},
		{File: "quarantine/holiday.jpg", Kind: store.Found, Reason: "there is no note"},
	}
	got := list(t, s)
	got[4].Reason = want[4].Reason // the library's words
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	if n, err := s.Quarantined(); err != nil || n != len(want) {
		t.Errorf("Quarantined = %d, %v", n, err)
	}
	for _, e := range got {
		if err := s.Settle(e, at); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Quarantined(); err != nil || n != 0 {
		t.Errorf("all settled: Quarantined = %d, %v", n, err)
	}
	settled := list(t, s)
	for i := range settled {
		if settled[i].Settled != at || settled[i].ID != want[i].ID || settled[i].Kind != want[i].Kind {
			t.Errorf("settled: %+v", settled[i])
		}
	}
}

// What is settled stays evidence, and is not settled any more when it comes again.
func TestEvidenceComesAgain(t *testing.T) {
	s := quarantine(t, nil)
	send := func() store.Evidence {
		t.Helper()
		if _, err := s.Isolate(foo, sum1, sum2, "wrong", store.Body{Data: []byte("<html>"), Size: 6}); err != nil {
			t.Fatal(err)
		}
		all := list(t, s)
		if len(all) != 1 || all[0].Kind != store.Sent || all[0].Want != sum1 || all[0].Got != sum2 || !all[0].Settled.IsZero() {
			t.Fatalf("%+v", all)
		}
		return all[0]
	}
	if err := s.Settle(send(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Quarantined(); n != 0 {
		t.Errorf("%d not settled", n)
	}
	send()
	if _, err := s.NoteMember(foo, store.Placement{Bundle: "bundle-0000.tar.zst", Offset: 7, FrameSize: 9}, "bad"); err != nil {
		t.Fatal(err)
	}
	if all := list(t, s); len(all) != 2 || all[1].Kind != store.Member || all[1].Reason != "at offset 7 of bundle-0000.tar.zst, 9 bytes: bad" {
		t.Errorf("%+v", all)
	}
}

// A note can be read, whatever its reason; and one that is too long, which an
// earlier program wrote, hides no other evidence.
func TestLongReasons(t *testing.T) {
	s := quarantine(t, map[string]string{
		"foo-1.0.0.crate.was-20260102T030405Z":      "bad",
		"foo-1.0.0.crate.was-20260102T030405Z.json": `{"reason":"` + strings.Repeat("x", maxNote) + `"}`,
	})
	for i, reason := range []string{strings.Repeat("x", 2*maxNote), strings.Repeat("\x01", maxNote), strings.Repeat("\xff", maxNote)} {
		if _, err := s.Isolate(foo, sum1, crate.Checksum{byte(i)}, reason, store.Body{Data: []byte("<html>"), Size: 6}); err != nil {
			t.Fatal(err)
		}
	}
	all := list(t, s)
	for _, e := range all[:len(all)-1] {
		if e.Kind != store.Sent || e.Want != sum1 || len(e.Reason) < 1000 {
			t.Errorf("%s: %.100v", e.File, e)
		}
	}
	if last := all[len(all)-1]; len(all) != 4 || last.ID != foo || !strings.HasPrefix(last.Reason, "its note cannot be read: ") {
		t.Errorf("%d, the last: %.200v", len(all), last)
	}
	for _, e := range all {
		if err := s.Settle(e, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Quarantined(); err != nil || n != 0 {
		t.Errorf("all settled: Quarantined = %d, %v", n, err)
	}
}

// All that may follow the longest name of a crate file fits into a file name.
func TestLongestNames(t *testing.T) {
	disk, err := durable.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	s, err := Open(disk, None)
	if err != nil {
		t.Fatal(err)
	}
	long := crate.ID{Name: strings.Repeat("n", crate.MaxName), Version: "1.0.0-" + strings.Repeat("v", 221-crate.MaxName-len("-1.0.0-.crate"))}
	if err := long.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Isolate(long, sum1, sum2, "wrong", store.Body{Data: []byte("<html>"), Size: 6}); err != nil {
		t.Error(err)
	}
	for _, at := range []store.Placement{
		{Bundle: "bundle-0000.tar.zst", Offset: 7, FrameSize: 9}, {Bundle: "bundle-0000.tar.zst", Offset: 1 << 50, FrameSize: 9},
		{Bundle: "bundle-1234567.tar.zst", Offset: 7, FrameSize: 9},
	} {
		for range 2 { // the second is the same
			if _, err := s.NoteMember(long, at, "bad"); err != nil {
				t.Error(err)
			}
		}
	}
	for _, e := range list(t, s) {
		if e.ID != long {
			t.Errorf("%s is of %s", e.File, e.ID)
		}
	}
	if n, err := s.Quarantined(); err != nil || n != 4 {
		t.Errorf("%d in quarantine, %v", n, err)
	}
}
