package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestReloadUnderLoad checks that each answer follows one policy or the other, and none fails,
// while the policy is replaced again and again, sometimes by one that cannot be parsed.
func TestReloadUnderLoad(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0", "serde 1.0.1"), "[[deny]]\ncrate = \"serde\"\nversions = \"=1.0.1\"\n")
	texts := []string{"[[deny]]\ncrate = \"serde\"\nversions = \"=1.0.0\"\n", "[[den", "[[deny]]\ncrate = \"serde\"\nversions = \"=1.0.1\"\n"}
	var stop atomic.Bool
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for !stop.Load() {
				c, err := w.Crate(t.Context(), "serde")
				if err != nil || len(c.Entries) != 1 || len(c.Withheld) != 1 {
					t.Errorf("%+v, %v", c, err)
					return
				}
				given := 0
				for _, version := range []string{"1.0.0", "1.0.1"} {
					f, err := w.Open(t.Context(), id("serde", version))
					if err == nil {
						given++
						f.Close()
					} else if !errors.As(err, new(*Refusal)) {
						t.Error(err)
					}
				}
			}
		})
	}
	failures := 0
	for n := range 30 {
		w.write(texts[n%len(texts)])
		w.source.Look(t.Context(), true)
		status := w.source.Status()
		if wrong := n%len(texts) == 1; wrong {
			failures++
			if !strings.Contains(status.Error, "policy.toml:1: ") {
				t.Errorf("a wrong policy: %+v", status)
			}
		} else if status.Error != "" {
			t.Errorf("a right policy: %+v", status)
		}
		want := "1.0.1"
		if n%len(texts) == 2 {
			want = "1.0.0"
		}
		if got := w.shows("serde"); got != want {
			t.Errorf("after policy %d: %q, want %q", n, got, want)
		}
	}
	stop.Store(true)
	asking.Wait()
	if status := w.source.Status(); int(status.Failures) != failures {
		t.Errorf("%d failures, want %d", status.Failures, failures)
	}
}

// TestSourceIsWatched checks that a changed file is noticed by itself.
func TestSourceIsWatched(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0"), "[[deny]]\ncrate = \"other\"\n")
	if got := w.shows("serde"); got != "1.0.0" {
		t.Fatal(got)
	}
	w.source.Look(t.Context(), false)
	w.source.next = time.Time{}
	before := w.Generation()
	w.source.Look(t.Context(), false)
	if w.Generation() != before {
		t.Error("a policy that has not changed is read again")
	}
	w.write("[[deny]]\ncrate = \"serde\"\n")
	w.source.next = time.Time{}
	w.source.Look(t.Context(), false)
	if got := w.shows("serde"); !strings.HasPrefix(got, "404 ") || w.Generation() == before {
		t.Errorf("after a change: %s", got)
	}
	if err := os.Remove(w.file); err != nil {
		t.Fatal(err)
	}
	w.source.next = time.Time{}
	w.source.Look(t.Context(), false)
	if got := w.shows("serde"); !strings.HasPrefix(got, "404 ") {
		t.Errorf("without its file: %s", got)
	}
}

// TestAudit checks that the log has a decision once per minute and client, starts another file
// when its own was moved away, and stays within its limits.
func TestAudit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.jsonl")
	m := NewMetrics()
	a, err := OpenAudit(name, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	now := epoch
	a.clock = func() time.Time { return now }
	tell := func(client, version string) {
		a.Tell(&Event{Event: EventRefused, Client: client, Crate: "serde", Version: version, Rule: "deny"})
	}
	lines := func(file string) (told []string) {
		t.Helper()
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for line := range strings.Lines(string(data)) {
			var e Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			told = append(told, e.Client+" "+e.Version)
		}
		return told
	}
	for range 3 {
		tell("a", "1.0.0")
	}
	tell("b", "1.0.0")
	tell("a", "1.0.1")
	now = now.Add(again)
	tell("a", "1.0.0")
	if got, want := strings.Join(lines(name), ", "), "a 1.0.0, b 1.0.0, a 1.0.1, a 1.0.0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := os.Rename(name, name+".1"); err == nil {
		now = now.Add(2 * again)
		tell("a", "1.0.0")
		if got := lines(name); len(got) != 1 {
			t.Errorf("after the file was moved away: %v", got)
		}
	}
	for n := range 2 * auditBurst {
		tell(fmt.Sprint("c", n), "1.0.0")
	}
	if n := len(lines(name)); n > auditBurst+1 {
		t.Errorf("%d lines in one instant", n)
	}
	for n := range 3 * maxRemembered {
		a.wasTold(&Event{Client: fmt.Sprint("d", n)}, now)
	}
	if n := len(a.fresh) + len(a.old); n > maxRemembered {
		t.Errorf("%d decisions are remembered", n)
	}
}
