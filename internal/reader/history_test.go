package reader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// told is a piece of history in words.
func told(h *History) (text []string) {
	for _, d := range h.Days {
		line := d.Date + ":"
		for _, c := range d.Changes {
			line += fmt.Sprintf(" %s %s,", c.Kind, c.Version)
		}
		if d.More > 0 {
			line += fmt.Sprintf(" %d more", d.More)
		}
		if d.New {
			line += " new"
		}
		if d.Gone {
			line += " gone"
		}
		if d.Unread {
			line += " unread"
		}
		text = append(text, line)
	}
	return append(text, fmt.Sprintf("%s to %s, %d versions, earlier %q", h.From, h.Until, h.Versions, h.Earlier))
}

// TestHistory: the days on which a crate changed, through a squash, a day without a
// run, and the crate's end.
func TestHistory(t *testing.T) {
	h := newHistory(t, "serde 1.0.0\nserde 1.1.0\nother 1.0.0")
	one, two := serde100, crate.ID{Name: "serde", Version: "1.1.0"}
	accept := how{change: func(c *mirror.Config) { c.AcceptRepublished, c.AcceptShrink = plan.AcceptAlways, true }}
	h.publish(1)
	h.run(accept)
	h.reg.Yank(two, true)
	h.publish(2)
	h.publish(3) // nothing of serde
	h.reg.Yank(two, false)
	h.reg.Add(simreg.MustParse("serde 1.2.0")...)
	h.reg.ReplaceBytes(one)
	h.reg.Date(time.Date(2026, 1, 5, 11, 0, 0, 0, time.UTC))
	if _, err := h.reg.Squash(t.Context(), h.upstream); err != nil {
		t.Fatal(err)
	}
	h.publish(5)
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		h.reg.Remove(crate.ID{Name: "serde", Version: version})
	}
	h.publish(6)
	h.reg.Add(simreg.MustParse("serde 2.0.0")...)
	h.publish(8)
	v := h.view(nil)
	all := []string{
		"2026-01-08: added 2.0.0, new",
		"2026-01-06: removed 1.0.0, removed 1.1.0, removed 1.2.0, gone",
		"2026-01-05: republished 1.0.0, unyanked 1.1.0, added 1.2.0,",
		"2026-01-02: yanked 1.1.0,",
		"2026-01-01 to 2026-01-08, 2 versions, earlier \"\"",
	}
	for until, want := range map[string][]string{
		"": all, "2027-01-01": all,
		"2026-01-04": {all[3], "2026-01-01 to 2026-01-03, 2 versions, earlier \"\""},
		"2026-01-01": {"2026-01-01 to 2026-01-01, 2 versions, earlier \"\""},
		"2025-01-01": {" to , 0 versions, earlier \"\""},
	} {
		for range 2 { // read, then remembered
			got, err := v.History(t.Context(), "SERDE", until)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, told(got)); diff != "" {
				t.Errorf("until %q (-want +got):\n%s", until, diff)
			}
		}
	}
	for _, name := range []string{"absent", "../x", ""} {
		if h, err := v.History(t.Context(), name, ""); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %+v, %v", name, h, err)
		}
	}
}

// TestH22LongHistory: of thousands of days, one piece is what a page bears; the
// pieces together are all of it; and who asks while another reads is told so.
func TestH22LongHistory(t *testing.T) {
	const days = 1000
	h := newHistory(t, "serde 1.0.0")
	h.publish(1)
	h.run(how{})
	start := time.Now()
	longHistory(t, h.index, days)
	t.Logf("made in %s", time.Since(start))
	v := h.view(nil)
	v.past.histories.patience = time.Minute // the race detector is slow
	seen, until, pieces := 0, "", 0
	for {
		start := time.Now()
		got, err := v.History(t.Context(), "serde", until)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("from %s to %s in %s", got.From, got.Until, time.Since(start))
		pieces++
		seen += len(got.Days)
		if len(got.Days) > historyChanged {
			t.Errorf("a piece has %d days", len(got.Days))
		}
		for _, d := range got.Days {
			if len(d.Changes) > historyChanges {
				t.Errorf("%s has %d changes", d.Date, len(d.Changes))
			}
			if d.Date == "2023-04-02" && d.More != 201-historyChanges {
				t.Errorf("%s has %d changes more", d.Date, d.More)
			}
		}
		if until = got.Earlier; until == "" {
			break
		}
	}
	// Every tenth of the first 900 days, and none of the last; then the real one.
	if seen != 90+1 || pieces < 4 || pieces > 8 {
		t.Errorf("%d days with changes in %d pieces", seen, pieces)
	}
	if n := len(v.past.histories.read); n != pieces {
		t.Errorf("%d pieces are remembered, want %d", n, pieces)
	}
	for i := range 2 * maxHistories {
		v.past.histories.put(historyKey{until: fmt.Sprint(i)}, &History{})
	}
	if n := len(v.past.histories.read); n > maxHistories {
		t.Errorf("%d pieces are remembered", n)
	}

	v.past.histories.patience = 200 * time.Millisecond
	v.past.histories.one <- struct{}{} // another request reads, and does not end
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := v.History(ctx, "serde", "2023-04-01"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who leaves waits: %v", err)
	}
	if _, err := v.History(t.Context(), "serde", "2023-04-01"); !errors.Is(err, ErrBusy) {
		t.Errorf("beside another: %v", err)
	}
}

// longHistory gives an index days from April 2023 on: on each tenth of the first nine in
// ten, serde has another version, and on the second day 200 more.
func longHistory(t *testing.T, dir string, days int) {
	t.Helper()
	var in bytes.Buffer
	file := func(last int) string {
		var lines strings.Builder
		for i := range 200 + last {
			fmt.Fprintf(&lines, `{"name":"serde","vers":"0.%d.0","deps":[],"cksum":"%064x","features":{},"yanked":false}`+"\n", i, i)
		}
		return lines.String()
	}
	start := time.Date(2023, 4, 1, 12, 0, 0, 0, time.UTC)
	for n := range days {
		day := start.AddDate(0, 0, n)
		ref := "refs/clonecratesio/days/" + day.Format(time.DateOnly)
		fmt.Fprintf(&in, "commit %s\nmark :%d\ncommitter t <t@example.com> %d +0000\ndata 0\n", ref, n+1, day.Unix())
		if n > 0 {
			fmt.Fprintf(&in, "from :%d\n", n)
		}
		content := ""
		switch {
		case n == 0:
			content = `{"name":"serde","vers":"0.0.0","deps":[],"cksum":"` + strings.Repeat("0", 64) + "\"}\n"
		case n == 1:
			content = file(1)
		case n%10 == 1 && n < 900:
			content = file(n)
		}
		if content != "" {
			fmt.Fprintf(&in, "M 644 inline se/rd/serde\ndata %d\n%s\n", len(content), content)
		}
	}
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir="+dir, "fast-import", "--quiet")
	cmd.Stdin = &in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
