package simreg

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// entry is an index line with the fields in the order of crates.io (crates_io_index, struct
// Crate).
type entry struct {
	Name        string              `json:"name"`
	Vers        string              `json:"vers"`
	Deps        []entryDep          `json:"deps"`
	Cksum       string              `json:"cksum"`
	Features    map[string][]string `json:"features"`
	Features2   map[string][]string `json:"features2,omitempty"`
	Yanked      bool                `json:"yanked"`
	Links       string              `json:"links,omitempty"`
	RustVersion string              `json:"rust_version,omitempty"`
	PubTime     string              `json:"pubtime,omitempty"`
	V           int                 `json:"v,omitempty"`
}

type entryDep struct {
	Name            string   `json:"name"`
	Req             string   `json:"req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures bool     `json:"default_features"`
	Target          *string  `json:"target"`
	Kind            string   `json:"kind"`
	Package         string   `json:"package,omitempty"`
}

// entryLine returns the index line of v, without the line feed.
func entryLine(v *Version, sum crate.Checksum) []byte {
	e := entry{
		Name: v.Name, Vers: v.Version, Deps: entryDeps(v.Deps), Cksum: sum.String(),
		Yanked: v.Yanked, Links: v.Links, RustVersion: v.RustVersion,
	}
	e.Features, e.Features2 = splitFeatures(v.Features)
	if len(e.Features2) > 0 {
		e.V = 2
	}
	if !v.PubTime.IsZero() {
		e.PubTime = v.PubTime.UTC().Format(time.RFC3339)
	}
	return marshal(e)
}

// entryDeps sorts dependencies as crates.io does: by name, normal before build before dev.
func entryDeps(deps []Dep) []entryDep {
	out := make([]entryDep, 0, len(deps))
	for i := range deps {
		d := &deps[i]
		e := entryDep{
			Name: d.alias(), Req: d.req(), Features: append([]string{}, d.Features...),
			Optional: d.Optional, DefaultFeatures: !d.NoDefaultFeatures, Kind: d.kind(),
		}
		if d.Target != "" {
			e.Target = &d.Target
		}
		if d.Rename != "" {
			e.Package = d.Name
		}
		out = append(out, e)
	}
	kinds := []string{"normal", "build", "dev"}
	slices.SortStableFunc(out, func(a, b entryDep) int {
		return cmp.Or(strings.Compare(a.Name, b.Name),
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)))
	})
	return out
}

// splitFeatures moves features with the syntax of 2021 ("dep:x", "x?/y") to the field that
// only newer cargos read.
func splitFeatures(features map[string][]string) (old, extended map[string][]string) {
	old = make(map[string][]string)
	extended = make(map[string][]string)
	for name, items := range features {
		to := old
		if slices.ContainsFunc(items, func(s string) bool {
			return strings.HasPrefix(s, "dep:") || strings.Contains(s, "?/")
		}) {
			to = extended
		}
		to[name] = append([]string{}, items...)
	}
	return old, extended
}

// marshal is json.Marshal without HTML escapes: serde writes ">=1" unescaped.
func marshal(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("simreg: " + err.Error()) // strings, maps and numbers cannot fail
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
