package survey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/export"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// held is a mirror of one crate.
type held struct {
	export.Mirror
	crate *reader.Crate
}

func (h *held) Crate(context.Context, string) (*reader.Crate, error) { return h.crate, nil }

// Whatever a policy says, what is exported is some of the lines that the mirror shows, byte
// for byte and in their order; and what the mirror behind has returned is not changed.
func TestPolicyOnlyLeavesOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for _, rule := range []string{"[yanked]\n", "[age]\nmin-age = \"7d\"\n", "[[deny]]\ncrate = \"a@1.2.0\"\n", "[[deny]]\ncrate = \"a\"\nversions = \">=1.5\"\n",
			"[[allow]]\ncrate = \"A\"\nversions = \"^1.1\"\n", "[[waiver]]\ncrate = \"a\"\nrules = [\"deny\", \"age\"]\nreason = \"r\"\nby = \"b\"\n"} {
			if rapid.Bool().Draw(t, "rule") {
				text.WriteString(rule)
			}
		}
		f, err := policy.Read(strings.NewReader(text.String()), "p")
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Policy(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		c := &reader.Crate{Name: "a"}
		for i := range rapid.IntRange(1, 9).Draw(t, "versions") {
			var e reader.Entry
			e.ID = crate.ID{Name: "a", Version: fmt.Sprintf("1.%d.0", i)}
			e.Yanked = rapid.Bool().Draw(t, "yanked")
			e.Raw = fmt.Appendf(nil, `{"name":"a","vers":"1.%d.0","pubtime":"20%02d-01-01T00:00:00Z"}`, i, rapid.IntRange(20, 40).Draw(t, "year"))
			c.Entries = append(c.Entries, e)
		}
		before := c.Body()
		x := &Exported{&held{crate: c}, &Mirror{Policy: p, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}}
		got, err := x.Crate(t.Context(), "a")
		if !bytes.Equal(c.Body(), before) {
			t.Fatal("the mirror behind was changed")
		}
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		lines, all := bytes.Split(got.Body(), []byte("\n")), bytes.Split(before, []byte("\n"))
		for _, line := range lines {
			i := slices.IndexFunc(all, func(l []byte) bool { return bytes.Equal(l, line) })
			if i < 0 {
				t.Fatalf("%s\nis not a line that is left of\n%s", line, before)
			}
			all = all[i+1:]
		}
		if len(got.Entries)+got.Left != len(c.Entries) {
			t.Errorf("%d lines and %d left of %d", len(got.Entries), got.Left, len(c.Entries))
		}
	})
}

// What is blocked by hand no policy shows, and no waiver.
func TestBlockedIsNotExported(t *testing.T) {
	f, err := policy.Read(strings.NewReader("[[deny]]\ncrate = \"b\"\n"), "p")
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := new(blocks.List).With(blocks.Block{Crate: "A", Version: "1.1.0", Reason: "it is bad", By: "a"})
	if err != nil {
		t.Fatal(err)
	}
	c := &reader.Crate{Name: "a"}
	for _, v := range []string{"1.0.0", "1.1.0"} {
		c.Entries = append(c.Entries, reader.Entry{Entry: index.Entry{ID: crate.ID{Name: "a", Version: v}}})
	}
	got, err := (&Exported{&held{crate: c}, &Mirror{Policy: p, Blocks: list}}).Crate(t.Context(), "a")
	if err != nil || len(got.Entries) != 1 || got.Entries[0].Version != "1.0.0" || got.Left != 1 {
		t.Errorf("exported: %+v, %v", got, err)
	}
}
