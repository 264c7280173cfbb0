package gate

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

const advisory = "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\npackage = \"NAME\"\ndate = \"2026-01-01\"\n[versions]\npatched = []\n```\n# It is bad\n"

// advise writes an advisory about a crate into a database.
func advise(t *testing.T, db, name string) {
	t.Helper()
	dir := filepath.Join(db, "crates", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "RUSTSEC-2026-0001.md"), []byte(strings.Replace(advisory, "NAME", name, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) look() {
	w.source.next = time.Time{}
	w.source.Look(w.t.Context(), false)
}

// TestSourceWhilePulling checks that a repository is read at the commit of HEAD, which "git
// pull" moves last: a look in the middle of a pull is followed by another.
func TestSourceWhilePulling(t *testing.T) {
	indextest.NeedGit(t)
	db := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", db, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	advise(t, db, "other")
	git("add", ".")
	git("commit", "-q", "-m", "1")
	w := newWorld(t, newFake("serde 1.0.0"), "[advisories]\ndatabases = ['"+db+"']\n")
	advise(t, db, "serde")
	git("add", ".")
	w.look()
	if got := w.shows("serde"); got != "1.0.0" {
		t.Fatalf("in the middle: %s", got)
	}
	git("commit", "-q", "-m", "2")
	w.look()
	if got := w.shows("serde"); !strings.Contains(got, "RUSTSEC-2026-0001") {
		t.Errorf("at the end: %s", got)
	}
}

// TestSourceTriesAgain checks that files that a policy names may be created later, and that a
// read that failed is tried again.
func TestSourceTriesAgain(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0"), "[[deny]]\ncrate = \"other\"\n")
	var told bytes.Buffer
	w.source.log = slog.New(slog.NewTextHandler(&told, nil))
	db := filepath.Join(t.TempDir(), "db")
	w.write("[advisories]\ndatabases = ['" + db + "']\n")
	w.look()
	w.source.again = time.Now()
	w.look()
	if n := strings.Count(told.String(), "level=ERROR"); n != 1 || w.source.Status().Failures != 2 {
		t.Errorf("%d failures, told %d times: %s", w.source.Status().Failures, n, &told)
	}
	advise(t, db, "serde")
	w.look()
	if got := w.shows("serde"); !strings.Contains(got, "RUSTSEC-2026-0001") {
		t.Errorf("with the database: %s, %+v", got, w.source.Status())
	}
	if !strings.Contains(told.String(), "level=INFO msg=\"the policy was read again\"") {
		t.Errorf("it is not told: %s", &told)
	}
}

// TestSourceStartsQuietly checks that a policy that was just written is read again as soon as
// file times prove anything, without a message in the log.
func TestSourceStartsQuietly(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0"), "[[deny]]\ncrate = \"other\"\n")
	var told bytes.Buffer
	w.source.log = slog.New(slog.NewTextHandler(&told, nil))
	read := w.source.Status().Loaded
	w.look()
	if now := w.source.Status().Loaded; now != read {
		t.Error("it is read again although nothing has changed")
	}
	if w.source.again.IsZero() {
		t.Fatal("a file that was just written counts as settled")
	}
	w.source.again = time.Now()
	w.look()
	if now := w.source.Status().Loaded; now == read || told.Len() > 0 {
		t.Errorf("read at %v, again at %v: %s", read, now, &told)
	}
}

// TestSourceTellsOfUnreadAdvisories checks that an advisory that cannot be parsed hides
// nothing and that the operator gets a message.
func TestSourceTellsOfUnreadAdvisories(t *testing.T) {
	db := t.TempDir()
	advise(t, db, "other")
	w := newWorld(t, newFake("serde 1.0.0"), "[advisories]\ndatabases = ['"+db+"']\n")
	var told bytes.Buffer
	w.source.log = slog.New(slog.NewTextHandler(&told, nil))
	bad := filepath.Join(db, "crates", "other", "RUSTSEC-2026-0002.md")
	if err := os.WriteFile(bad, []byte("```toml\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.look()
	if got := told.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "advisories=1") || !strings.Contains(got, "RUSTSEC-2026-0002.md") {
		t.Errorf("told: %s", got)
	}
}
