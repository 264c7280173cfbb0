package carry

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// A pair is a clone that follows upstream, and one that is carried to.
type pair struct {
	*indextest.Upstream
	near, far string
	day, n    int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	u := indextest.NewUpstream(t, "foo 1.0.0\nbar 1.0.0\nbaz 1.0.0")
	dir := t.TempDir()
	p := &pair{Upstream: u, near: filepath.Join(dir, "near"), far: filepath.Join(dir, "far"), day: 1}
	p.follow()
	return p
}

// publish publishes one more version on the next day, by a commit or a squash.
func (p *pair) publish(commit func() string) {
	p.T.Helper()
	p.day++
	p.n++
	p.Reg.Date(time.Date(2026, 1, p.day, 12, 0, 0, 0, time.UTC))
	p.Reg.Add(simreg.MustParse(fmt.Sprintf("foo 1.1.%d", p.n))...)
	commit()
}

func (p *pair) follow() {
	p.T.Helper()
	if _, err := clone.Update(p.T.Context(), clone.Config{Dir: p.near, URL: p.Git}); err != nil {
		p.T.Fatal(err)
	}
}

func head(t *testing.T, dir string) string { return indextest.Git(t, dir, "rev-parse", "HEAD") }

// write makes a bundle of what near has and some commits do not.
func (p *pair) write(since ...string) ([]byte, Header) {
	p.T.Helper()
	var b bytes.Buffer
	h, err := Write(p.T.Context(), p.near, since, head(p.T, p.near), &b)
	if err != nil {
		p.T.Fatal(err)
	}
	return b.Bytes(), h
}

func (p *pair) apply(bundle []byte, commit string) error {
	_, err := Apply(p.T.Context(), clone.Config{Dir: p.far}, bytes.NewReader(bundle), commit)
	return err
}

// said is all that an index says: its files and days, and whether git finds it whole.
func said(t *testing.T, dir string) string {
	t.Helper()
	indextest.Git(t, dir, "fsck", "--strict", "--no-dangling")
	days := indextest.Git(t, dir, "for-each-ref", "--format=%(refname) %(objectname) %(tree)", "refs/clonecratesio/days")
	return days + "\n" + indextest.Git(t, dir, "ls-tree", "-r", "HEAD") + "\n" + head(t, dir) + "\n" + indextest.Git(t, dir, "symbolic-ref", "HEAD")
}

// TestCarry: what is carried, all at first and then what is new, through squashes and
// days on which nothing was carried, is what upstream's clone has.
func TestCarry(t *testing.T) {
	durabletest.Seldom(t, 2)
	p := newPair(t)
	base := ""
	for step, commit := range []func() string{p.Commit, p.Commit, p.Squash, p.Commit, p.Squash} {
		p.publish(commit)
		p.follow()
		p.publish(p.Commit)
		p.follow()
		var since []string
		if base != "" {
			since = []string{base}
		}
		bundle, h := p.write(since...)
		if again, _ := p.write(since...); !bytes.Equal(bundle, again) {
			t.Errorf("step %d: the same again is another file", step)
		}
		if base != "" && !cmp.Equal(h.Since, since) {
			t.Errorf("step %d: since %v, want %v", step, h.Since, since)
		}
		base = head(t, p.near)
		for range 2 { // the second time there is nothing to do
			if err := p.apply(bundle, base); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			if diff := cmp.Diff(said(t, p.near), said(t, p.far)); diff != "" {
				t.Errorf("step %d (-near +far):\n%s", step, diff)
			}
		}
	}
}

// TestSquashIsSmall: where upstream squashed its history, the files that have not
// changed are not carried.
func TestSquashIsSmall(t *testing.T) {
	p := newPair(t)
	var many strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, "crate-%d 1.0.0\n", i)
	}
	p.Reg.Add(simreg.MustParse(many.String())...)
	p.publish(p.Commit)
	p.follow()
	all, _ := p.write()
	base := head(t, p.near)
	p.publish(p.Squash)
	p.follow()
	some, _ := p.write(base)
	if len(some) > len(all)/10 {
		t.Errorf("after a squash %d bytes are carried, of all %d", len(some), len(all))
	}
}

func TestRefused(t *testing.T) {
	p := newPair(t)
	first, _ := p.write()
	base := head(t, p.near)
	p.publish(p.Commit)
	p.follow()
	second, _ := p.write(base)
	now := head(t, p.near)
	p.publish(p.Commit)
	p.follow()
	third, _ := p.write(now)
	last := head(t, p.near)

	if err := p.apply(second, now); !errors.As(err, new(*BaseError)) {
		t.Errorf("without a base: %v", err)
	}
	if _, err := os.Stat(p.far); err == nil {
		t.Error("a bundle that was refused made an index")
	}
	if err := p.apply(first, base); err != nil {
		t.Fatal(err)
	}
	before := said(t, p.far)
	flip := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at] ^= 1; return b }
	cut := func(b []byte) []byte { return b[:len(b)-30] }
	head := strings.Index(string(second), "\n\n")
	for name, c := range map[string]struct {
		bundle []byte
		commit string
		want   string
	}{
		"one is left out":     {third, last, "it continues commit " + now},
		"another commit":      {second, last, "it is of " + now},
		"a flipped byte":      {flip(second, len(second)-60), now, ""},
		"a flipped checksum":  {flip(second, len(second)-1), now, "git index-pack"},
		"cut off":             {cut(second), now, ""},
		"cut off in the head": {second[:head-3], now, "its header is cut off"},
		"more behind":         {append(bytes.Clone(second), 'x'), now, "after its pack are 21 bytes"},
		"another branch":      {bytes.Replace(second, []byte("refs/heads/master"), []byte("refs/heads/Master"), 1), now, "which is not the index"},
		"a hook":              {bytes.Replace(second, []byte("refs/heads/master"), []byte("../hooks/post-upd"), 1), now, "which is not the index"},
		"no bundle":           {[]byte("hello"), now, "does not begin with"},
		"nothing":             {nil, now, "does not begin with"},
	} {
		err := p.apply(c.bundle, c.commit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if after := said(t, p.far); after != before {
			t.Errorf("%s: the index is another (-before +after):\n%s", name, cmp.Diff(before, after))
		}
	}
	left, _ := filepath.Glob(filepath.Join(p.far, "objects", "tmp_*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := errors.Join(p.apply(second, now), p.apply(third, last)); err != nil {
		t.Error(err)
	}
	// History that is here does not end because a bundle says so.
	before = said(t, p.far)
	end := bytes.Replace(third, []byte("\n\n"), []byte("\n"+last+" refs/clonecratesio/shallow/"+last+"\n\n"), 1)
	if err := p.apply(end, last); err != nil {
		t.Error(err)
	}
	if got := indextest.Git(t, p.far, "rev-list", "--count", "HEAD"); got != "3" || said(t, p.far) != before {
		t.Errorf("%s commits, want 3", got)
	}
}

// TestCheck: what Apply would refuse Check refuses, and leaves no trace, whether there is an
// index yet or not.
func TestCheck(t *testing.T) {
	p := newPair(t)
	all, _ := p.write()
	base := head(t, p.near)
	p.publish(p.Commit)
	p.follow()
	next, _ := p.write(base)
	last := head(t, p.near)
	for _, id := range p.Reg.IDs()[:2] {
		p.Reg.Remove(id)
	}
	p.publish(p.Commit)
	if _, err := clone.Update(t.Context(), clone.Config{Dir: p.near, URL: p.Git, AcceptShrink: true}); err != nil {
		t.Fatal(err)
	}
	shrunk, _ := p.write(last)
	least := head(t, p.near)
	check := func(bundle []byte, commit string) error {
		return Check(t.Context(), clone.Config{Dir: p.far}, bytes.NewReader(bundle), commit)
	}
	broken := bytes.Clone(all)
	broken[len(broken)-1] ^= 1

	if err := errors.Join(check(all, base), check(all, base)); err != nil {
		t.Error(err)
	}
	if err := check(broken, base); err == nil || !strings.Contains(err.Error(), "git index-pack") {
		t.Errorf("a flipped checksum where no index is: %v", err)
	}
	if err := check(next, last); !errors.As(err, new(*BaseError)) {
		t.Errorf("without a base: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(p.far)); err != nil || len(left) > 3 { // near, and the locks of both
		t.Errorf("left behind: %v, %v", left, err)
	}

	if err := errors.Join(p.apply(all, base), p.apply(next, last)); err != nil {
		t.Fatal(err)
	}
	before := said(t, p.far)
	for name, c := range map[string]struct {
		bundle       []byte
		commit, want string
	}{
		"what lost most crates": {shrunk, least, "crates of the index are no longer in the transfer, more than 5 %: ask the sending side"},
		"what went back":        {all, base, "the transfer went back in time: it has commit " + base},
	} {
		for what, err := range map[string]error{"checked": check(c.bundle, c.commit), "applied": p.apply(c.bundle, c.commit)} {
			if !errors.As(err, new(*index.ShrinkError)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if after := said(t, p.far); after != before {
			t.Errorf("%s (-before +after):\n%s", name, cmp.Diff(before, after))
		}
	}

	stranger := t.TempDir()
	if err := os.WriteFile(filepath.Join(stranger, "notes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), clone.Config{Dir: stranger}, bytes.NewReader(all), base); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("a folder with something else: %v", err)
	}
}
