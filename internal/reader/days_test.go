package reader

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestDaysAreWhatGitShows: the files of 30 days drawn at random are byte for byte those
// of upstream's last commit until then: of days on which nothing was published or the
// mirror did not run, before and after upstream squashed its history, and on the branch
// that it removed.
func TestDaysAreWhatGitShows(t *testing.T) {
	const last = 45
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	h := newHistory(t, small4)
	f := &following{history: h, rng: rng, parent: "refs/heads/master^0"}
	for day := 1; day <= last; day++ {
		if day == 1 || day%7 != 3 {
			f.publish(day)
		}
		switch day {
		case 1, 12, last:
			f.follow("refs/heads/master^0")
		case 22:
			f.follow("") // upstream squashes next
		case 33:
			f.follow("refs/heads/master~2") // upstream goes back and on from there
		}
	}
	h.run(how{})
	v := h.view(nil)
	for range 30 {
		day := 1 + rng.IntN(last)
		name := paths[rng.IntN(len(paths))]
		past, err := v.At(t.Context(), date(day).Format(time.DateOnly))
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.CrateAt(t.Context(), past.Commit, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := exec.Command("git", "--git-dir="+h.upstream, "show", f.commitOn(day)+":"+crate.IndexPath(name)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(c.Body()); got != string(want) || c.Left != 0 {
			t.Errorf("%s on day %d is, without %d lines,\n%swant\n%s", name, day, c.Left, got, want)
		}
	}
}

// paths are the crates of small4.
var paths = []string{"serde", "serde_json", "inflector"}

func date(day int) time.Time {
	return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, day-1)
}

// following is an upstream that publishes faster than it is followed.
type following struct {
	*history
	rng    *rand.Rand
	parent string          // of the next commit
	text   strings.Builder // for git fast-import
	marks  []int           // the day of each commit in it
	done   []published
}

type published struct {
	day    int
	commit string
}

// publish writes a day's changes.
func (f *following) publish(day int) {
	f.reg.Add(simreg.Version{Name: []string{"serde", "serde_json", "Inflector"}[f.rng.IntN(3)], Version: fmt.Sprintf("3.%d.0", day)})
	ids := f.reg.IDs()
	f.reg.Yank(ids[f.rng.IntN(len(ids))], f.rng.IntN(2) == 0)
	f.marks = append(f.marks, day)
	fmt.Fprintf(&f.text, "commit refs/heads/master\nmark :%d\ncommitter a <a> %d +0000\ndata 0\n", len(f.marks), date(day).Unix())
	if len(f.marks) == 1 && f.parent != "" {
		fmt.Fprintf(&f.text, "from %s\n", f.parent)
	}
	f.text.WriteString("deleteall\n")
	for _, name := range paths {
		path := crate.IndexPath(name)
		data, err := f.reg.IndexFile(path)
		if err != nil {
			f.t.Fatal(err)
		}
		fmt.Fprintf(&f.text, "M 644 inline %s\ndata %d\n%s\n", path, len(data), data)
	}
}

// follow commits what was published and brings the mirror's index up to date. The
// next commit has the parent.
func (f *following) follow(parent string) {
	f.t.Helper()
	for n := range f.marks {
		fmt.Fprintf(&f.text, "get-mark :%d\n", n+1)
	}
	cmd := exec.Command("git", "--git-dir="+f.upstream, "fast-import", "--quiet", "--force")
	cmd.Stdin = strings.NewReader(f.text.String())
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatal(err)
	}
	for n, commit := range strings.Fields(string(out)) {
		f.done = append(f.done, published{f.marks[n], commit})
	}
	f.text.Reset()
	f.marks, f.parent = nil, parent
	if _, err := clone.Update(f.t.Context(), clone.Config{Dir: f.index, URL: f.upstream, AcceptShrink: true}); err != nil {
		f.t.Fatal(err)
	}
}

// commitOn is the last commit until the end of a day.
func (f *following) commitOn(day int) string {
	after := slices.IndexFunc(f.done, func(p published) bool { return p.day > day })
	if after < 0 {
		after = len(f.done)
	}
	return f.done[after-1].commit
}
