package closure

import "slices"

// pick returns the versions that a demand selects. read sets v.pkg or v.useless; it is
// called only if dependencies are followed.
func (c *computation) pick(n *node, d *demand, read func(v *version) error) (picks []*version, err error) {
	counted := map[release]int{}
	for _, v := range n.versions {
		group, ok := c.group(n, d, v)
		if !ok || c.opt.Latest > 0 && counted[group] == c.opt.Latest {
			continue
		}
		if c.opt.Follow {
			if err := read(v); err != nil {
				return nil, err
			}
		}
		picks = append(picks, v)
		if d.satisfied(v) {
			counted[group]++
		}
	}
	return picks, nil
}

// A release is the version that pre-releases precede.
type release struct{ major, minor, patch uint64 }

// group reports whether a demand wants v, and to which group v belongs: all releases, or
// the pre-releases of one release. A demand needs the newest versions of each group.
func (c *computation) group(n *node, d *demand, v *version) (release, bool) {
	w := &v.number
	switch {
	case v.yanked && !c.opt.Yanked:
		return release{}, false
	case d.text == "":
		// A bare crate name requests releases, unless all versions are wanted or there are
		// no releases.
		return release{}, w.Pre == "" || c.opt.Latest == 0 || !n.hasRelease(c.opt.Yanked)
	case !d.req.Matches(*w):
		return release{}, false
	case w.Pre != "":
		return release{w.Major, w.Minor, w.Patch}, true
	}
	return release{}, true
}

func (n *node) hasRelease(yanked bool) bool {
	return slices.ContainsFunc(n.versions, func(v *version) bool { return v.number.Pre == "" && (yanked || !v.yanked) })
}

// satisfied reports whether cargo could use v for d, as far as known.
func (d *demand) satisfied(v *version) bool {
	return !v.yanked && v.useless == nil && (v.pkg == nil || v.pkg.offers(d.features))
}

// met reports whether there is a version that cargo could use.
func (d *demand) met() bool { return slices.ContainsFunc(d.picks, d.satisfied) }
