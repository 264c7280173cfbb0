package receive

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// block changes what is blocked in a mirror.
func block(t *testing.T, state string, specs ...string) {
	t.Helper()
	must(t, os.MkdirAll(state, 0o755))
	must(t, blocks.Folder(state).Change(t.Context(), func(*blocks.List) (*blocks.List, error) {
		l := new(blocks.List)
		for _, spec := range specs {
			b, err := blocks.Parse(spec)
			must(t, err)
			if l, err = l.With(b); err != nil {
				return nil, err
			}
		}
		return l, nil
	}))
}

// hidden is what builds of the far side do not see, by hand.
func (w *world) hidden() string {
	w.T.Helper()
	l, err := blocks.All(w.T.Context(), w.far.State())
	must(w.T, err)
	var names []string
	for i := range l.Blocks {
		names = append(names, l.Blocks[i].String())
	}
	return strings.Join(names, " ")
}

// What the sending side hides is hidden on the far side too, beside what is blocked there;
// what it takes back is shown again; and a policy is kept for the servers.
func TestHiddenIsCarried(t *testing.T) {
	w := newWorld(t)
	block(t, w.near.State(), "foo@1.0.0")
	_, media := w.export(filepath.Join(w.dir, "one"), full)
	w.take(media...)
	block(t, w.far.State(), "bar")
	if got := w.hidden(); got != "bar foo@1.0.0" {
		t.Fatalf("hidden: %s", got)
	}

	file := filepath.Join(w.dir, "cool-down.toml")
	must(t, os.WriteFile(file, []byte("[age]\nmin-age = \"7d\"\n"), 0o644))
	block(t, w.near.State(), "serde")
	_, media = w.export(filepath.Join(w.dir, "two"), func(cfg *send.Config) { cfg.Policies = []send.Policy{{Name: "team", File: file}} })
	res := w.take(media...)
	kept, err := os.ReadFile(PolicyFile(&w.far, "team"))
	if err != nil || string(kept) != "[age]\nmin-age = \"7d\"\n" || len(res.Policies) != 1 {
		t.Errorf("the policy is %q, %v; told: %v", kept, err, res.Policies)
	}
	if got := w.hidden(); got != "bar serde" {
		t.Errorf("hidden: %s", got)
	}
	if again, _ := w.export(filepath.Join(w.dir, "none"), func(cfg *send.Config) { cfg.Policies = []send.Policy{{Name: "team", File: file}} }); !again.Nothing {
		t.Error("what did not change is carried once more")
	}

	block(t, w.near.State())
	w.publish(true, simreg.MustParse("later 1.0.0")...)
	_, media = w.export(filepath.Join(w.dir, "three"), nil)
	w.take(media...)
	if got := w.hidden(); got != "bar" {
		t.Errorf("hidden, when nothing is any more on the sending side: %s", got)
	}
	w.wantSame()
}

// What cannot be understood is refused before anything changes: half of it would show what
// the sending side hides.
func TestGateNotUnderstood(t *testing.T) {
	for data, good := range map[string]bool{
		`{"blocks":{"format":1,"blocks":[]},"policies":[{"name":"a","text":"[age]\nmin-age = \"7d\"\n"}]}`: true,
		`{"blocks":{"format":2,"blocks":[]},"policies":[]}`:                                                false,
		`{"blocks":{"format":1,"blocks":[{"crate":"a","more":1}]},"policies":[]}`:                          false,
		`{"blocks":{"format":1,"blocks":[]},"policies":[{"name":"a","text":"[age]\nmax-age = 7\n"}]}`:      false,
	} {
		fsys := durabletest.NewMem()
		must(t, durable.WriteFile(fsys, "gate.json", []byte(data)))
		f, err := fsys.Open("gate.json")
		must(t, err)
		if err := checkGate(f); (err == nil) != good || err != nil && !errors.As(err, new(forgedError)) {
			t.Errorf("%s: %v", data, err)
		}
		f.Close()
	}
}
