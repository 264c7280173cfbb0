package doctor

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// picks are versions to try; nil: none was found.
type picks struct {
	plain  *index.Entry // needs no other crate
	deep   *index.Entry // needs others
	plus   *index.Entry // has build metadata
	yanked *index.Entry // and needs no other crate
}

// any returns one that certainly exists.
func (p *picks) any() *index.Entry { return cmp.Or(p.plain, p.deep, p.plus, p.yanked) }

func (p *picks) complete() bool {
	return p.plain != nil && p.deep != nil && p.plus != nil && p.yanked != nil
}

// mostLooked bounds how many index files are read.
const mostLooked = 300

// common are names to try on a registry without search: crates in nearly every build, and
// some with "+" and with yanked versions.
var common = []string{
	"cfg-if", "itoa", "libc", "log", "memchr", "scopeguard", "serde", "bitflags", "arrayvec", "smallvec",
	"openssl-src", "libgit2-sys", "zstd-sys", "libz-sys", "curl-sys",
}

// pick chooses the versions; false: there are none.
func (x *exam) pick(ctx context.Context) bool {
	looked := 0
	for name := range x.names(ctx) {
		if looked == mostLooked || x.picks.complete() || ctx.Err() != nil {
			break
		}
		looked++
		if err := x.look(ctx, name); err != nil {
			x.failErr("index", x.indexURL(name), err)
			return false
		}
	}
	if x.picks.any() == nil {
		advice := "fill the mirror (clonecratesio sync); if it is not empty, name one that it has with -crate"
		x.fail("index", fmt.Sprintf("%v among %d names", errNone, looked), advice)
		return false
	}
	return true
}

// names yields the names to try.
func (x *exam) names(ctx context.Context) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		once := func(name string) bool {
			if seen[name] || crate.CheckName(name) != nil {
				return true
			}
			seen[name] = true
			return yield(name)
		}
		for _, name := range x.Crates {
			if !once(name) {
				return
			}
		}
		if x.api == "" {
			for _, name := range common {
				if !once(name) {
					return
				}
			}
			return
		}
		for _, query := range []string{"-sys", ""} { // versions of -sys crates often have a "+"
			for _, name := range x.search(ctx, query) {
				if !once(name) {
					return
				}
			}
		}
	}
}

// search requests a page of names from the API. It ignores errors, since a later check
// tests search.
func (x *exam) search(ctx context.Context, query string) (names []string) {
	a, err := x.ask(ctx, x.api+"/api/v1/crates?per_page=100&q="+url.QueryEscape(query), 1<<20)
	if err != nil || a.code != http.StatusOK {
		return nil
	}
	var found struct {
		Crates []struct {
			Name string `json:"name"`
		} `json:"crates"`
	}
	if json.Unmarshal(a.body, &found) != nil {
		return nil
	}
	for _, c := range found.Crates {
		names = append(names, c.Name)
	}
	return names
}

// look considers the versions of one crate.
func (x *exam) look(ctx context.Context, name string) error {
	a, err := x.ask(ctx, x.indexURL(name), maxIndex)
	if err != nil {
		return err
	}
	if a.code == http.StatusNotFound {
		return nil
	}
	if a.code != http.StatusOK {
		text, _ := explainStatus(a)
		return fmt.Errorf("%s", text)
	}
	for line := range bytes.Lines(a.body) {
		e, err := index.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return fmt.Errorf("a line of it cannot be parsed (%w): %.80q", err, line)
		}
		x.consider(&e)
	}
	return nil
}

// consider keeps e if it is useful. Of each crate it keeps the highest version.
func (x *exam) consider(e *index.Entry) {
	alone := needsNothing(e)
	newer := func(have *index.Entry) bool {
		return have == nil || have.Name == e.Name && semver.CompareText(e.Version, have.Version) > 0
	}
	p := &x.picks
	switch {
	case crate.IsPrerelease(e.Version):
	case e.Yanked && alone && newer(p.yanked):
		p.yanked = e
	case e.Yanked:
	case strings.Contains(e.Version, "+") && newer(p.plus):
		p.plus = e
	case alone && newer(p.plain):
		p.plain = e
	case !alone && newer(p.deep):
		p.deep = e
	}
}

// needsNothing reports whether cargo can build a version without other crates.
func needsNothing(e *index.Entry) bool {
	var line struct {
		Deps []struct {
			Kind     string `json:"kind"`
			Optional bool   `json:"optional"`
		} `json:"deps"`
	}
	if json.Unmarshal(e.Raw, &line) != nil {
		return false
	}
	for _, d := range line.Deps {
		if d.Kind != "dev" && !d.Optional {
			return false
		}
	}
	return true
}
