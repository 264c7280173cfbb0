package simreg

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse parses specifications in a text form with one item per line. It skips blank lines
// and lines that start with "#", and ignores indentation:
//
//	NAME VERSION [yanked]      starts a version, to which the other lines add
//	dep NAME REQ [OPTION...]   optional, no-default, features=a,b,
//	                           kind=dev, kind=build, target=cfg(unix), rename=x
//	feature NAME [ITEM...]     such as: feature json dep:serde serde?/std
//	size BYTES
//	links NAME
//	rust VERSION
//	pubtime 2026-01-31T12:00:00Z
//
// Items have no spaces: a requirement with two parts is ">=1,<3". A crate whose name is a
// keyword ("dep", "size") needs a [Version] literal.
func Parse(text string) ([]Version, error) {
	var versions []Version
	n := 0
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := parseLine(&versions, fields); err != nil {
			return nil, fmt.Errorf("parsing line %d %q: %w", n, strings.TrimSpace(line), err)
		}
	}
	return versions, nil
}

// MustParse is Parse for literals: it panics where Parse returns an error.
func MustParse(text string) []Version {
	versions, err := Parse(text)
	if err != nil {
		panic("simreg: " + err.Error())
	}
	return versions
}

// itemParsers parse the lines that add to the version above them, given what follows the
// keyword: at least one field.
var itemParsers = map[string]func(v *Version, args []string) error{
	"dep":     parseDep,
	"feature": parseFeature,
	"size": func(v *Version, args []string) (err error) {
		v.Size, err = strconv.Atoi(args[0])
		return err
	},
	"links": func(v *Version, args []string) error { v.Links = args[0]; return nil },
	"rust":  func(v *Version, args []string) error { v.RustVersion = args[0]; return nil },
	"pubtime": func(v *Version, args []string) (err error) {
		v.PubTime, err = time.Parse(time.RFC3339, args[0])
		return err
	},
}

func parseLine(versions *[]Version, fields []string) error {
	if parse, ok := itemParsers[fields[0]]; ok {
		switch {
		case len(*versions) == 0:
			return fmt.Errorf("%s stands before the first version", fields[0])
		case len(fields) == 1:
			return fmt.Errorf("%s needs a value", fields[0])
		}
		return parse(&(*versions)[len(*versions)-1], fields[1:])
	}
	if len(fields) < 2 || len(fields) > 3 || len(fields) == 3 && fields[2] != "yanked" {
		return fmt.Errorf("want NAME VERSION [yanked] or one of the keywords")
	}
	v := Version{Name: fields[0], Version: fields[1], Yanked: len(fields) == 3}
	*versions = append(*versions, v)
	id := v.ID()
	return id.Check()
}

func parseDep(v *Version, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("dep needs a name and a requirement")
	}
	d := Dep{Name: args[0], Req: args[1]}
	for _, option := range args[2:] {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "optional":
			d.Optional = true
		case "no-default":
			d.NoDefaultFeatures = true
		case "features":
			d.Features = strings.Split(value, ",")
		case "kind":
			d.Kind = value
		case "target":
			d.Target = value
		case "rename":
			d.Rename = value
		default:
			return fmt.Errorf("dep has no option %q", key)
		}
	}
	v.Deps = append(v.Deps, d)
	return nil
}

func parseFeature(v *Version, args []string) error {
	if v.Features == nil {
		v.Features = make(map[string][]string)
	}
	v.Features[args[0]] = args[1:]
	return nil
}
