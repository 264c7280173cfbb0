package closure

import "slices"

// pick returns the versions that a demand takes. read makes v.pkg known, or
// v.useless; it is called only if dependencies are followed.
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

// A release is what pre-releases precede.
type release struct{ major, minor, patch uint64 }

// group says whether v is what a demand wants, and which others are so in its
// stead: all releases for one another, and the pre-releases of one release.
func (c *computation) group(n *node, d *demand, v *version) (release, bool) {
	w := &v.number
	switch {
	case v.yanked && !c.opt.Yanked:
		return release{}, false
	case d.text == "":
		// A bare crate name asks for releases, unless all are wanted or there are none.
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

// satisfied reports whether cargo could use v for d, as far as is known.
func (d *demand) satisfied(v *version) bool {
	return !v.yanked && v.useless == nil && (v.pkg == nil || v.pkg.offers(d.features))
}

// met reports whether there is something that cargo could use.
func (d *demand) met() bool { return slices.ContainsFunc(d.picks, d.satisfied) }
