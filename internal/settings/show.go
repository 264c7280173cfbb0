package settings

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// Origin is a flag of a command, with its effective value and where that comes from.
type Origin struct {
	Flag  string `json:"flag"`
	Value string `json:"value"`
	From  string `json:"from"` // FILE:LINE, $VARIABLE, or "default"
}

// Show returns the flags of a command of root for the mirror in a folder, in the order of
// its help.
func Show(root, cmd *cli.Command, mirror string) ([]Origin, error) {
	list, err := Read(root, cmd, mirror)
	if err != nil {
		return nil, err
	}
	var all []Origin
	for _, flag := range cmd.Flags {
		doc, ok := flag.(cli.DocGenerationFlag)
		name := flag.Names()[0]
		if !ok || slices.Contains(never, name) {
			continue
		}
		o := Origin{Flag: name, Value: strings.Trim(cmp.Or(doc.GetDefaultText(), doc.GetValue()), `"`), From: "default"}
		if i := slices.IndexFunc(list, func(s Setting) bool { return s.Flag == name }); i >= 0 {
			o.Value, o.From = strings.Join(list[i].Words, ", "), fmt.Sprintf("%s:%d", path(mirror), list[i].Line)
		}
		for _, variable := range doc.GetEnvVars() {
			if value, set := os.LookupEnv(variable); set {
				o.Value, o.From = value, "$"+variable
				break
			}
		}
		all = append(all, o)
	}
	return all, nil
}
