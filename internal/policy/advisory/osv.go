package advisory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// ecosystem is the name of crates.io in OSV.
const ecosystem = "crates.io"

// osv is a file in the OSV format, 1.7.
type osv struct {
	ID        string     `json:"id"`
	Summary   string     `json:"summary"`
	Aliases   []string   `json:"aliases"`
	Published string     `json:"published"`
	Withdrawn string     `json:"withdrawn"`
	Severity  []osvScore `json:"severity"`
	Affected  []affected `json:"affected"`
	Links     []struct {
		Type string `json:"type"`
		URL  string `json:"url"`
	} `json:"references"`
	Specific struct {
		Severity string `json:"severity"` // of GitHub: a word
	} `json:"database_specific"`
}

type osvScore struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// affected is the part of the file about one package.
type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Severity []osvScore `json:"severity"`
	Ranges   []osvRange `json:"ranges"`
	Versions []string   `json:"versions"`
	Specific struct {   // of RustSec
		Informational string   `json:"informational"`
		Categories    []string `json:"categories"`
	} `json:"database_specific"`
}

type osvRange struct {
	Type   string `json:"type"`
	Events []struct {
		Introduced   string `json:"introduced"`
		Fixed        string `json:"fixed"`
		LastAffected string `json:"last_affected"`
		Limit        string `json:"limit"`
	} `json:"events"`
}

// parseOSV parses a file in the OSV format, and returns an advisory for each affected
// crate; none for other JSON.
func parseOSV(data []byte) (all []*Advisory, err error) {
	var o osv
	err = json.Unmarshal(data, &o, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, err
	}
	for i := range o.Affected {
		in := &o.Affected[i]
		// An ecosystem may have a suffix after a colon.
		if name, _, _ := strings.Cut(in.Package.Ecosystem, ":"); name != ecosystem {
			continue
		}
		a, err := o.advisory(in)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func (o *osv) advisory(in *affected) (*Advisory, error) {
	if err := checkID(o.ID); err != nil {
		return nil, err
	}
	if err := crate.CheckName(in.Package.Name); err != nil {
		return nil, err
	}
	a := &Advisory{
		ID: o.ID, Aliases: o.Aliases, Crate: in.Package.Name, Title: o.Summary,
		Informational: in.Specific.Informational,
		Malicious:     strings.HasPrefix(o.ID, "MAL-") || slices.Contains(in.Specific.Categories, categoryMalicious),
		Severity:      o.severity(in),
	}
	for _, l := range o.Links {
		if a.URL == "" || l.Type == "ADVISORY" {
			a.URL = l.URL
		}
	}
	var err error
	if a.Date, err = instant(o.Published); err != nil {
		return nil, fmt.Errorf("published: %w", err)
	}
	if a.Withdrawn, err = instant(o.Withdrawn); err != nil {
		return nil, fmt.Errorf("withdrawn: %w", err)
	}
	a.affected, err = in.ranges()
	return a, err
}

func instant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

// severity returns the greatest severity of a vector, or else that of the word.
func (o *osv) severity(in *affected) (s Severity) {
	for _, score := range slices.Concat(o.Severity, in.Severity) {
		s = max(s, severityOf(score.Score))
	}
	if s == Unknown {
		s = severityWords[strings.ToLower(o.Specific.Severity)]
	}
	return s
}

// ranges reads the affected versions. Without ranges all are affected.
func (in *affected) ranges() (r ranges, err error) {
	number := len(in.Versions)
	known := number > 0
	r.listed = slices.Sorted(slices.Values(in.Versions))
	for _, given := range in.Ranges {
		if given.Type != "SEMVER" && given.Type != "ECOSYSTEM" {
			continue // commits of a repository
		}
		if number += len(given.Events); number > maxRanges {
			return r, fmt.Errorf("more than %d versions and events", maxRanges)
		}
		known = true
		spans, err := given.spans()
		if err != nil {
			return r, err
		}
		r.bad = append(r.bad, spans...)
	}
	r.all = !known
	return r, nil
}

func (g *osvRange) spans() ([]span, error) {
	var events []event
	for _, e := range g.Events {
		for _, one := range []struct {
			text        string
			begin, last bool
		}{{e.Introduced, true, false}, {e.Fixed, false, false}, {e.LastAffected, false, true}} {
			if one.text == "" {
				continue
			}
			at, err := version(one.text)
			if err != nil {
				return nil, err
			}
			events = append(events, event{at, one.begin, one.last})
		}
	}
	return spansOf(events), nil
}

// version parses the version of an event; "0" is before all others.
func version(text string) (semver.Version, error) {
	if text == "0" {
		return semver.Version{Pre: "0"}, nil
	}
	v, err := semver.Parse(text)
	v.Build = ""
	return v, err
}
