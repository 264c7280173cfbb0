package servecli

import (
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// Policy is the flags of what builds may see.
type Policy struct {
	Files     []string // FILE for /, or NAME=FILE
	Audit     string
	Locked    bool
	Replicate bool // /replicate/ and /git/ are served although something is hidden
}

func (p *Policy) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "policy", Usage: "show builds only what the policy in `[NAME=]FILE` allows: at /policy/NAME/, or without NAME at /; may be repeated", Destination: &p.Files, TakesFile: true},
		&cli.StringFlag{Name: "policy-audit", Usage: "append what policies and blocks hide, refuse and waive, and for which client, to `FILE`, a line of JSON each", Destination: &p.Audit, TakesFile: true},
		&cli.BoolFlag{Name: "policy-locked", Usage: "for each policy, also serve /policy/NAME-locked/ (/policy/locked/ without a name) for builds with a lock file: it has versions that are hidden as resolve-only", Destination: &p.Locked},
		&cli.BoolFlag{Name: "allow-replicate", Usage: "with -policy or -auth-tokens: let other mirrors copy everything from /replicate/ and /git/, even what the policy hides", Destination: &p.Replicate},
	}
}

// lockedName returns the name of a policy's view for builds with a lock file.
func lockedName(name string) string { return strings.TrimPrefix(name+"-locked", "-") }

// maxViews bounds the policies of one server.
const maxViews = 64

// views returns the policy files by the names of their views; "" is for /.
func (p *Policy) views() (map[string]string, error) {
	views := map[string]string{}
	for _, v := range p.Files {
		name, file := flags.NamedFile(v)
		switch {
		case file == "":
			return nil, flags.Usagef("-policy %q names no file", v)
		case name != "" && !transfer.IsPolicyName(name):
			return nil, flags.Usagef("-policy %q: the name is part of addresses: use at most 32 lower-case letters, digits and -", v)
		case views[name] != "" && name == "":
			return nil, flags.Usagef("-policy %q: there is one for / already; name this one: -policy NAME=%s", v, file)
		case views[name] != "":
			return nil, flags.Usagef("-policy %q: there is one of that name already", v)
		}
		views[name] = file
	}
	for name := range views {
		if p.Locked && views[lockedName(name)] != "" {
			return nil, flags.Usagef("-policy-locked makes a view %s: call another one so", lockedName(name))
		}
	}
	if len(views) > maxViews {
		return nil, flags.Usagef("-policy is given %d times, at most %d fit", len(views), maxViews)
	}
	return views, nil
}

func (p *Policy) check() error {
	_, err := p.views()
	return err
}
