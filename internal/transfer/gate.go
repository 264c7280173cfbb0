package transfer

import (
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Gate is what the sending side hides from builds: the file gate.json.
type Gate struct {
	Blocks   jsontext.Value `json:"blocks"`   // blocks made by hand, in the file format of package blocks
	Policies []Policy       `json:"policies"` // by their names
}

// A Policy is a file of package policy.
type Policy struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Limits of a gate.
const (
	maxPolicies = 100
	maxPolicy   = 1 << 20  // size of a policy, bytes
	maxGate     = 32 << 20 // bytes
)

// policyName matches names that are safe in a path, here and in a URL.
var policyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// IsPolicyName reports whether a policy can be carried, and served, under a name.
func IsPolicyName(name string) bool { return policyName.MatchString(name) }

// Bytes returns the content of the file.
func (g *Gate) Bytes() ([]byte, error) {
	err := g.check()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(g)
	if err == nil && len(data) > maxGate {
		err = fmt.Errorf("blocks and policies have more than %d bytes together: carry fewer policies", maxGate)
	}
	return data, err
}

// ReadGate parses the file, which is untrusted. It does not check the content of the blocks
// and policies. Errors: ErrFormat.
func ReadGate(r io.Reader) (*Gate, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxGate+1))
	if err != nil {
		return nil, err
	}
	g := new(Gate)
	if len(data) > maxGate {
		err = fmt.Errorf("it has more than %d bytes", maxGate)
	} else if err = json.Unmarshal(data, g, json.RejectUnknownMembers(true)); err == nil {
		err = g.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, GateName, err)
	}
	return g, nil
}

func (g *Gate) check() error {
	if len(g.Blocks) == 0 {
		return errors.New("it is without blocks")
	}
	if len(g.Policies) > maxPolicies {
		return fmt.Errorf("it has %d policies, at most %d are to be", len(g.Policies), maxPolicies)
	}
	for i, p := range g.Policies {
		switch {
		case !IsPolicyName(p.Name):
			return fmt.Errorf("%.80q is no name of a policy: want small letters, digits and -", p.Name)
		case i > 0 && g.Policies[i-1].Name >= p.Name:
			return fmt.Errorf("policy %s is there twice, or not in its order", p.Name)
		case len(p.Text) > maxPolicy:
			return fmt.Errorf("policy %s has more than %d bytes", p.Name, maxPolicy)
		}
	}
	return nil
}
