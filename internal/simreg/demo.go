package simreg

import (
	"strings"
	"time"
)

// demoFamilies are groups of five crates, each based on the previous group.
var demoFamilies = []string{
	"alder", "birch", "cedar", "elm", "fir", "hazel", "Larch", "maple", "oak", "pine", "Rowan", "willow",
}

// demoReleases are the versions of every crate of a family, with the requirement by which
// one release depends on its siblings.
var demoReleases = []struct{ version, req string }{
	{"0.1.0", "0.1"}, {"0.1.1", "0.1"}, {"0.2.0", "0.2"}, {"1.0.0", "1.0"}, {"1.1.0", "1.0"},
}

// demoStart is when the first version was published; the others follow hourly.
var demoStart = time.Date(2024, 3, 1, 9, 0, 0, 0, time.UTC)

// Demo returns some 320 small versions of 63 crates, half a megabyte, that the real cargo
// can build. Among them are yanked versions, pairs that differ only in build metadata,
// pre-releases, renamed, optional, dev, build and platform dependencies, features of either
// syntax, and names of every form.
func Demo() *Registry {
	versions := MustParse(`
		a 1.0.0
		a 1.0.1 yanked
		ox 0.3.0
		  dep a ^1
		ash 2.0.0
		  dep ox ^0.3
	`)
	below := "" // the family that this one is built on
	for i, family := range demoFamilies {
		for _, release := range demoReleases {
			versions = append(versions, demoRelease(i, family, below, release.version, release.req)...)
		}
		if i%4 == 3 {
			versions = append(versions, demoFacade(family, "2.0.0-beta.1", "1.1"))
		}
		below = family
	}
	for i := range versions {
		versions[i].PubTime = demoStart.Add(time.Duration(i) * time.Hour)
	}
	return New(versions...)
}

// demoRelease returns one release of the i-th family.
func demoRelease(i int, family, below, version, req string) []Version {
	core := Version{Name: family + "-core", Version: version, Size: 400 * (i%5 + 1), Yanked: version == "0.1.0" && i%3 == 0}
	util := Version{Name: family + "_util", Version: version, Deps: []Dep{{Name: core.Name, Req: req}}}
	if below == "" {
		core.Deps = []Dep{{Name: "ash", Req: "2"}}
	} else {
		core.Deps = []Dep{{Name: below + "-core", Req: req}}
		util.Deps = append(util.Deps, Dep{Name: below + "_util", Req: req, Target: "cfg(unix)"})
	}
	sys := Version{
		Name: family + "-sys", Version: version, Links: strings.ToLower(family), Size: 3000,
		Deps: []Dep{{Name: util.Name, Req: req, Kind: "build"}},
	}
	io := Version{
		Name: family + "-io", Version: version,
		Deps:     []Dep{{Name: util.Name, Req: req}, {Name: sys.Name, Req: req, Optional: true}},
		Features: map[string][]string{"default": {}, "native": {sys.Name}},
	}
	out := []Version{core, util, io, demoFacade(family, version, req)}
	if version != "1.1.0" {
		return append(out, sys)
	}
	// As for qpl and others, the version of the wrapped library is metadata.
	older, newer := sys, sys
	older.Version += "+lib.3.1"
	newer.Version += "+lib.3.2"
	return append(out, older, newer)
}

// demoFacade returns the crate that people depend on. From 1.0 on, its features use the
// syntax of 2021.
func demoFacade(family, version, req string) Version {
	v := Version{
		Name: family, Version: version,
		Deps: []Dep{
			{Name: family + "-core", Req: req, Rename: "base"},
			{Name: family + "_util", Req: req},
			{Name: family + "-io", Req: req, Optional: true, NoDefaultFeatures: true},
			{Name: family + "-sys", Req: req, Optional: true},
			{Name: family + "_util", Req: req, Kind: "dev"},
		},
		Features: map[string][]string{"default": {"std"}, "std": {}, "full": {family + "-io", family + "-sys"}},
	}
	if !strings.HasPrefix(version, "0.") {
		v.RustVersion = "1.60"
		v.Features["full"] = []string{"io", "sys"}
		v.Features["io"] = []string{"dep:" + family + "-io"}
		v.Features["sys"] = []string{"dep:" + family + "-sys", family + "-io?/native"}
	}
	return v
}
